#!/usr/bin/env python3
"""Where the CPU time of server and agent goes, by layer: for a GiB each way, for a short connection
and for a small request, over ws and wss; see --help.

perf samples both processes by the clock while the load runs. What a process spent in all, from
/proc, is divided among the layers as the samples are. A sample in our programs belongs to the
folder of src/ whose function it fell into, one in the kernel to the system call that it served; to
an interrupt, which does what came in meanwhile, for whichever process; or to switching, when others
had the processor meanwhile.
"""

import argparse
import bisect
import collections
import dataclasses
import os
import re
import shutil
import signal
import subprocess

from bed import Neighbours, bed, quiet_or_not
from measures import GIB, MeasureError
from procs import cpu_seconds
from script import heading, keep, new_parser, require, run
from tools import Culvert, CulvertTls

SECONDS = 1.0
ROUNDS = 3
SAMPLES_A_SECOND = 1999
PATIENCE_S = 10.0
ROLES = ("server", "agent")
TOOLS = {"ws": Culvert, "wss": CulvertTls}
SHOWN_SHARE = 0.002  # of the largest column; a row below it goes to "other"

OWN_FOLDER = re.compile(r"/(?:src/(\w+)|(cmd)/\w+)/\w+\.[ch]:")
FRAME = re.compile(r"\s+([0-9a-f]+) (.*?) \((\S+)\)$")
CALL = re.compile(r"__(?:x64|arm64)_sys_(\w+)")
LIBRARIES = {"libcrypto": "OpenSSL", "libssl": "OpenSSL", "libIPSec_MB": "libIPSec_MB",
             "libuv": "libuv", "libc": "libc", "ld-linux": "libc", "[vdso]": "libc"}
CALLS = {
    "kernel: send": ("sendto", "sendmsg", "write", "writev"),
    "kernel: receive": ("recvfrom", "recvmsg", "read", "readv"),
    "kernel: splice": ("splice",),
    "kernel: epoll": ("epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl"),
    "kernel: open and close": ("accept4", "accept", "socket", "connect", "close", "shutdown",
                               "bind", "setsockopt", "getsockopt", "getpeername", "getsockname"),
}
INTERRUPT = re.compile(r"(asm_)?sysvec_")
SWITCH = re.compile(r"finish_task_switch|__schedule$|exit_to_user_mode_loop")
ROWS = ("wire", "ws", "conn", "session", "manager", "base", "access", "door", "net", "http", "cmd",
        "libuv", "OpenSSL", "libIPSec_MB", "libc", *CALLS, "kernel: interrupts",
        "kernel: switching", "kernel: other", "other")


@dataclasses.dataclass(frozen=True)
class Work:
    """Something done over and over, whose cost is told: `run` returns how often it was done."""

    title: str
    unit: str
    run: object
    scale: float = 1e6


def _bulk(way):
    def run(load, tool):
        flags = ["--port", tool.port, "--conns", 1, *load.window(), *load.block_flags()]
        if way == "up":
            flags += ["--up", "--control", load.target_port]
        return load.run("bulk", *flags)["total"] / GIB
    return run


def _web(*flags):
    def run(load, tool):
        return load.run("web", "--port", tool.port, "--conns", 64, "--warm", 0, "--seconds",
                        load.seconds, *flags)["requests"]
    return run


WORKS = {
    "up": Work("a GiB up, one stream", "ms", _bulk("up"), 1e3),
    "down": Work("a GiB down, one stream", "ms", _bulk("down"), 1e3),
    "short": Work("a short connection, 64 at a time", "us", _web("--fresh")),
    "request": Work("a request of 64 connections", "us", _web()),
}


def parse_arguments(argv):
    parser = new_parser(__doc__, ROUNDS, SECONDS)
    parser.description, parser.epilog = __doc__, "works: " + ", ".join(WORKS)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("works", nargs="*", metavar="WORK", help="only these (default: all)")
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    for name in arguments.works:
        if name not in WORKS:
            parser.error(f"no work is called {name}; there are: {', '.join(WORKS)}")
    return arguments


class Program:
    """The functions of one of our programs, by address."""

    def __init__(self, path):
        self.path = str(path.resolve())
        done = subprocess.run(["nm", "--line-numbers", "--defined-only", "--numeric-sort", path],
                              capture_output=True, text=True, check=True)
        self.starts, self.layers = [], []
        for line in done.stdout.splitlines():
            address, kind, rest = line.split(" ", 2)
            if kind not in "tT":
                continue
            name, _, place = rest.partition("\t")
            found = OWN_FOLDER.search(place)
            layer = (found.group(1) or found.group(2)) if found else "other"
            self.starts.append(int(address, 16))
            self.layers.append("door" if name.startswith("llhttp") else layer)

    def base_in(self, pid):
        """Where the program lies in the memory of @pid."""
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            for line in file:
                if line.rstrip().endswith(self.path):
                    return int(line.partition("-")[0], 16)
        raise MeasureError(f"{self.path} is not what process {pid} runs")

    def layer_at(self, offset):
        place = bisect.bisect_right(self.starts, offset) - 1
        return self.layers[place] if place >= 0 else "other"


class Samples:
    """A running perf on some processes."""

    def __init__(self, pids, path):
        self.path = path
        self.popen = subprocess.Popen(
            ["perf", "record", "--quiet", "--event", "cpu-clock", "--freq", str(SAMPLES_A_SECOND),
             "--call-graph", "fp", "--pid", ",".join(map(str, pids)), "--output", path],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def stop(self):
        """The samples: (process, the frames of its stack, the innermost first)."""
        self.popen.send_signal(signal.SIGINT)
        errors = self.popen.communicate(timeout=PATIENCE_S)[1]
        if not self.path.exists():
            raise MeasureError(f"perf: {errors.strip()}")
        done = subprocess.run(["perf", "script", "--input", self.path, "--fields",
                               "pid,ip,sym,dso"], capture_output=True, text=True, check=True)
        for block in done.stdout.split("\n\n"):
            head, *lines = block.strip("\n").split("\n")
            frames = [found.groups() for found in map(FRAME.match, lines) if found]
            if frames:
                yield int(head.split()[0]), frames


def of_kernel(frames):
    """The row of a sample in the kernel: by the system call, however deep in it."""
    for _, symbol, _ in reversed(frames):
        called = CALL.match(symbol)
        if called:
            return next((row for row, names in CALLS.items() if called.group(1) in names),
                        "kernel: other")
    for row, pattern in (("kernel: switching", SWITCH), ("kernel: interrupts", INTERRUPT)):
        if any(pattern.match(symbol) for _, symbol, _ in frames):
            return row
    return "kernel: other"


def row_of(frames, program, base):
    address, _, dso = frames[0]
    if dso == program.path:
        address = int(address, 16)  # which some releases of perf give as it is in the file
        return program.layer_at(address - base if address >= base else address)
    if dso.startswith("[") and dso != "[vdso]":
        return of_kernel(frames)
    name = dso.rpartition("/")[2]
    return next((row for start, row in LIBRARIES.items() if name.startswith(start)), "other")


def measure(work, load, tool, programs, path):
    """{role: {row: what a unit costs there}}."""
    pids = {role: tool.processes[role].pid for role in ROLES}
    bases = {role: programs[role].base_in(pid) for role, pid in pids.items()}
    before = {role: cpu_seconds(pid) for role, pid in pids.items()}
    samples = Samples(pids.values(), path)
    try:
        done = work.run(load, tool)
        spent = {role: cpu_seconds(pid) - before[role] for role, pid in pids.items()}
    finally:
        found = list(samples.stop())
    costs = {}
    for role, pid in pids.items():
        counts = collections.Counter(row_of(frames, programs[role], bases[role])
                                     for owner, frames in found if owner == pid)
        if not counts or done == 0:
            raise MeasureError(f"{work.title}: no samples of the {role}")
        each = work.scale * spent[role] / done / counts.total()
        costs[role] = {row: count * each for row, count in counts.items()}
    return costs


def missing():
    """Why nothing can be sampled here, or None."""
    if not shutil.which("perf"):
        return "perf is missing: install linux-perf"
    with open("/proc/sys/kernel/perf_event_paranoid", encoding="ascii") as file:
        if os.geteuid() != 0 and int(file.read()) > 1:
            return "the kernel lets only root sample it (kernel.perf_event_paranoid)"
    return None


def table(work, columns):
    """A Markdown table: a row a layer, a column a process."""
    def at(column, row):
        return column.get(row, 0.0)

    least = SHOWN_SHARE * max(sum(column.values()) for column in columns.values())
    rows = [row for row in ROWS if row != "other"
             and any(at(column, row) > least for column in columns.values())]
    cells = [[row, *(at(column, row) for column in columns.values())] for row in rows]
    in_user = [sum(cost for row, cost in column.items() if not row.startswith("kernel"))
               for column in columns.values()]
    totals = [sum(column.values()) for column in columns.values()]
    rest = [sum(cost for row, cost in column.items() if row not in rows)
            for column in columns.values()]
    if max(rest) > least:
        cells.append(["other", *rest])
    places = 2 if max(totals) < 20 else 1 if max(totals) < 200 else 0
    yield f"| {work.title}, {work.unit} | " + " | ".join(columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    for name, *costs in [*cells, ["**all**", *totals]]:
        shown = (f"{cost:.{places}f}" if cost else "" for cost in costs)
        yield f"| {name} | " + " | ".join(shown) + " |"
    shares = [100 * user / total for user, total in zip(in_user, totals)]
    yield "| user : kernel | " + " | ".join(
        f"{share:.0f} : {100 - share:.0f}" for share in shares) + " |"


def median_round(rounds):
    """Of several {role: {row: cost}} the one that cost a middling amount in all."""
    ordered = sorted(rounds, key=lambda costs: sum(sum(rows.values()) for rows in costs.values()))
    return ordered[len(ordered) // 2]


def run_rounds(arguments):
    """{work: {column: {row: cost}}}."""
    programs = {role: Program(arguments.bin / f"culvert-{role}") for role in ROLES}
    found = {(name, tool): [] for name in arguments.works or WORKS for tool in TOOLS}
    with bed(arguments.seconds) as (load, folder):
        for index in range(arguments.rounds):
            for title, kind in TOOLS.items():
                tool = kind(arguments.bin)
                tool.start(load.target_port, folder / f"{tool.name}-{index}")
                try:
                    for name in arguments.works or WORKS:
                        found[name, title].append(
                            measure(WORKS[name], load, tool, programs, folder / "perf.data"))
                finally:
                    tool.stop()
    costs = {}
    for (name, title), rounds in found.items():
        costs.setdefault(name, {}).update(
            (f"{role}, {title}", rows) for role, rows in median_round(rounds).items())
    return costs


def main(argv):
    arguments = parse_arguments(argv)
    require(Culvert(arguments.bin).missing(), missing())
    head = heading(arguments)
    neighbours = Neighbours()
    costs = run_rounds(arguments)
    share = neighbours.share()
    for name, columns in costs.items():
        print("\n".join(table(WORKS[name], columns)) + "\n")
    print(quiet_or_not(share))
    keep({**head, "rounds": arguments.rounds, "window_seconds": arguments.seconds,
          "neighbours_share": share,
          "works": {name: {"unit": WORKS[name].unit, "costs": columns}
                    for name, columns in costs.items()}})
    return 0


if __name__ == "__main__":
    run(main)
