"""What is measured: the figures, and the runs of the load generator that yield them."""

import dataclasses
import json
import select
import subprocess
import time

from procs import cpu_seconds, rss_kib, run_seconds

GIB = 1 << 30
KIB_PER_MB = 1e6 / 1024
HELD = 1000
SETTLE_S = 0.4
WARM_SHARE = 0.2
# A stream's first moments are up to four times as fast, while its windows still fit the caches.
BULK_WARM_S = 0.5
LOAD_PATIENCE_S = 30.0


@dataclasses.dataclass(frozen=True)
class Figure:
    """One column: its unit, and whether more of it is better."""

    title: str
    unit: str
    more_is_better: bool = True
    base: str = "direct"  # runs of two releases are compared by the ratio to it; None: as it is


FIGURES = {
    "up1": Figure("bulk up, 1 stream", "Gbit/s"),
    "down1": Figure("bulk down, 1 stream", "Gbit/s"),
    "up8": Figure("bulk up, 8 streams", "Gbit/s"),
    "down8": Figure("bulk down, 8 streams", "Gbit/s"),
    "c1_rate": Figure("requests, 1 conn", "req/s"),
    "c1_p50": Figure("  p50, 1 conn", "us", False),
    "c1_p99": Figure("  p99, 1 conn", "us", False),
    "c64_rate": Figure("requests, 64 conns", "req/s"),
    "c64_p50": Figure("  p50, 64 conns", "us", False),
    "c64_p99": Figure("  p99, 64 conns", "us", False),
    "close_rate": Figure("short connections", "req/s"),
    "hol_p50": Figure("under bulk, p50", "us", False),
    "hol_p99": Figure("under bulk, p99", "us", False),
    "hol_bulk": Figure("  bulk meanwhile", "Gbit/s"),
    "cpu_up_server": Figure("CPU up, server", "s/GiB", False, "ssh"),
    "cpu_up_agent": Figure("CPU up, agent", "s/GiB", False, "ssh"),
    "cpu_down_server": Figure("CPU down, server", "s/GiB", False, "ssh"),
    "cpu_down_agent": Figure("CPU down, agent", "s/GiB", False, "ssh"),
    "idle_server": Figure("idle RSS, server", "MB", False, None),
    "idle_agent": Figure("idle RSS, agent", "MB", False, None),
    "conn_server": Figure("held conn, server", "KiB", False, None),
    "conn_agent": Figure("held conn, agent", "KiB", False, None),
    "agent_kib": Figure("idle agent, server", "KiB", False, None),
    "agent_joins": Figure("joins per CPU second", "1/s", True, None),
}


class MeasureError(Exception):
    """A measurement that yielded nothing."""


class Load:
    """Runs the load generator against one tool."""

    def __init__(self, program, target_port, seconds, block=None):
        self.program = str(program)
        self.target_port = target_port
        self.seconds = seconds
        self.block = block

    def argv(self, mode, *flags):
        return [self.program, mode, *(str(flag) for flag in flags)]

    def block_flags(self):
        return ["--block", self.block] if self.block else []

    def window(self, warm_min=0.0):
        """The flags of a measurement over time: a warm-up, then the window that counts."""
        return ["--seconds", self.seconds, "--warm", max(self.seconds * WARM_SHARE, warm_min)]

    def run(self, mode, *flags):
        """Runs a mode to its end and returns what it reports."""
        argv = self.argv(mode, *flags)
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False,
                                  timeout=LOAD_PATIENCE_S + 3 * self.seconds)
        except subprocess.TimeoutExpired:
            raise MeasureError(f"{mode}: still not done") from None
        return _report(mode, done.returncode, done.stdout, done.stderr)


def _report(mode, code, output, errors):
    if code != 0:
        raise MeasureError(errors.strip() or f"{mode}: ended with {code}")
    return json.loads(output)


class Held:
    """A mode that stays, once all is up, for as long as the `with` block runs. `report` is what it
    said then, and afterwards `outcome` what it says of the time that it stayed."""

    def __init__(self, load, mode, *flags):
        self.mode = mode
        self.popen = subprocess.Popen(load.argv(mode, *flags), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.report = None
        self.outcome = None

    def next_report(self, patience):
        """The next line that it prints, within @patience seconds."""
        ready = select.select([self.popen.stdout], [], [], patience)[0]
        line = self.popen.stdout.readline() if ready else ""
        if not line:
            self.popen.kill()
            errors = self.popen.communicate()[1]
            raise MeasureError(errors.strip() or f"{self.mode}: nothing was up in time")
        return json.loads(line)

    def __enter__(self):
        self.report = self.next_report(LOAD_PATIENCE_S)
        return self

    def __exit__(self, kind, value, trace):
        try:
            output, errors = self.popen.communicate(timeout=LOAD_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.communicate()
            raise MeasureError(f"{self.mode}: did not end") from None
        self.outcome = json.loads(output) if output.strip() else None
        if self.popen.returncode != 0 and kind is None:
            raise MeasureError(errors.strip())


def _gbits(report):
    return report["bytes"] * 8 / report["seconds"] / 1e9


def _rate(report):
    return report["requests"] / report["seconds"]


def bulk(load, tool, way, streams):
    """Throughput, and on one stream the CPU that each process spends on a GiB."""
    name = f"{way}{streams}"
    flags = ["--port", tool.port, "--conns", streams, *load.window(BULK_WARM_S),
             *load.block_flags()]
    if way == "up":
        flags += ["--up", "--control", load.target_port]
    before = {role: cpu_seconds(process.pid) for role, process in tool.processes.items()}
    report = load.run("bulk", *flags)
    if report["bytes"] == 0:
        raise MeasureError(f"{name}: no byte arrived")
    figures = {name: _gbits(report)}
    if streams == 1:
        for role, process in tool.processes.items():
            spent = cpu_seconds(process.pid) - before[role]
            figures[f"cpu_{way}_{role}"] = spent * GIB / report["total"]
    return figures


def web(load, tool, name, conns):
    report = load.run("web", "--port", tool.port, "--conns", conns, *load.window())
    return {f"{name}_rate": _rate(report), f"{name}_p50": report["p50_ns"] / 1e3,
            f"{name}_p99": report["p99_ns"] / 1e3}


def close(load, tool):
    """Connect, request, response, close, on 64 connections at a time."""
    report = load.run("web", "--fresh", "--port", tool.port, "--conns", 64, *load.window())
    return {"close_rate": _rate(report)}


def hol(load, tool):
    """One small request at a time while four streams come down as fast as they can."""
    warm = load.seconds * WARM_SHARE
    stream = subprocess.Popen(
        load.argv("bulk", "--port", tool.port, "--conns", 4, "--warm", warm,
                  "--seconds", load.seconds + warm, *load.block_flags()),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        small = load.run("web", "--port", tool.port, "--conns", 1, *load.window())
        output, errors = stream.communicate(timeout=LOAD_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise MeasureError("hol: the bulk streams do not end") from None
    finally:
        if stream.poll() is None:
            stream.kill()
            stream.communicate()
    report = _report("bulk", stream.returncode, output, errors)
    return {"hol_p50": small["p50_ns"] / 1e3, "hol_p99": small["p99_ns"] / 1e3,
            "hol_bulk": _gbits(report)}


def memory(load, tool):
    """Resident memory of each process at rest, and what a held connection adds to it."""
    if not tool.processes:
        return {}
    rest = {role: rss_kib(process.pid) for role, process in tool.processes.items()}
    figures = {f"idle_{role}": kib / KIB_PER_MB for role, kib in rest.items()}
    with Held(load, "hold", "--port", tool.port, "--conns", HELD):
        time.sleep(SETTLE_S)
        for role, process in tool.processes.items():
            figures[f"conn_{role}"] = (rss_kib(process.pid) - rest[role]) / HELD
    return figures


def agents(load, tool):
    """What agents cost the server: CPU to join, over TLS with a full handshake each, and memory
    while they idle. The load generator shares the cores, so the clock on the wall would count it
    too."""
    if not tool.takes_agents:
        return {}
    server = tool.processes["server"].pid
    rest = rss_kib(server)
    before = run_seconds(server)  # a thousand joins are a few ticks only
    with Held(load, "agents", "--port", tool.front_port, "--conns", HELD,
              *tool.join_flags) as crowd:
        spent = run_seconds(server) - before
        time.sleep(SETTLE_S)
        grown = rss_kib(server) - rest
    return {"agent_kib": grown / HELD, "agent_joins": crowd.report["joined"] / spent}


# In the order of a round: memory first, while the processes are fresh.
MEASURES = {
    "memory": memory,
    "agents": agents,
    "up1": lambda load, tool: bulk(load, tool, "up", 1),
    "down1": lambda load, tool: bulk(load, tool, "down", 1),
    "up8": lambda load, tool: bulk(load, tool, "up", 8),
    "down8": lambda load, tool: bulk(load, tool, "down", 8),
    "c1": lambda load, tool: web(load, tool, "c1", 1),
    "c64": lambda load, tool: web(load, tool, "c64", 64),
    "close": close,
    "hol": hol,
}

# Measures that need processes without a past: memory that an earlier one has freed would be taken
# again, and the growth would look smaller than it is.
NEEDS_FRESH = ("agents",)

# Measures that run for a window of time; the others take about UNTIMED_S together.
TIMED = 8
UNTIMED_S = 3.0 + 4 * BULK_WARM_S
