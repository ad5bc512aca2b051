#!/usr/bin/env python3
"""What a second event loop of the server gains: four agents over wss, --threads 1 beside 2.

Bulk through all four at once, and small requests through one of them while the other three carry
bulk. Load generator, target, agents and server share the machine's cores: where those are all busy
already, a second loop has nothing to run on, and the column of cores in use shows it.
"""

import json
import os
import re
import statistics
import subprocess
import time

from bed import Neighbours, bed, quiet_or_not, say
from measures import MeasureError
from procs import TICKS_PER_SECOND, Process, cpu_seconds, free_port
from report import as_table, number
from script import new_parser, numbers, require, run
from tools import READY_PATIENCE_S, CulvertTls, ToolError

AGENTS = 4
ROUNDS = 3
SECONDS = 2.0
WARM_S = 0.5
TRIES = 50
UP = re.compile(r"client bench-(\d+): session (\d+) up")


class Threads(CulvertTls):
    """A server with @threads loops and as many sessions on each, of agents with a forward each."""

    def __init__(self, bin_folder, threads):
        super().__init__(bin_folder)
        self.name = f"threads-{threads}"
        self.threads = threads
        self.ports, self.target, self.folder = [], "", None

    def launch(self, target_port, folder):
        self.front_port = free_port()
        self.ports = [free_port() for _ in range(AGENTS)]
        self.port = self.ports[0]
        self.target, self.folder = f"127.0.0.1:{target_port}", folder
        forwards = [word for n, port in enumerate(self.ports)
                    for word in ("--forward", f"127.0.0.1:{port}=bench-{n}/{self.target}")]
        self.processes["server"] = Process(
            [str(self.bin_folder / "culvert-server"), "--listen", f"127.0.0.1:{self.front_port}",
             "--threads", str(self.threads), *forwards, "--insecure-no-auth",
             *self.server_flags(folder)], folder / "server.log")
        for n in range(AGENTS):
            self.place(n)

    def place(self, n):
        """Starts agent @n until its session is on the loop whose turn it is: the kernel deals
        connections out by chance."""
        for attempt in range(TRIES):
            agent = Process(
                [str(self.bin_folder / "culvert-agent"),
                 "--connect", f"wss://127.0.0.1:{self.front_port}/connect", "--id", f"bench-{n}",
                 "--allow", self.target, "--log-level", "warn", *self.agent_flags(self.folder)],
                self.folder / f"agent-{n}-{attempt}.log")
            self.processes[f"agent-{n}"] = agent
            if self.session(n, attempt) % self.threads == n % self.threads:
                return
            agent.stop()
        raise ToolError(f"{self.name}: the kernel gives one loop all sessions")

    def session(self, n, attempt):
        """The id of the session that agent @n has got; loops number theirs in turn."""
        deadline = time.monotonic() + READY_PATIENCE_S
        while time.monotonic() < deadline:
            log = (self.folder / "server.log").read_text(errors="replace")
            found = [int(session) for who, session in UP.findall(log) if int(who) == n]
            if len(found) > attempt:
                return found[attempt] - 1
            time.sleep(0.01)
        raise ToolError(f"{self.name}: agent {n} does not join")


class Clock:
    """What the machine and the server did since this was made."""

    def __init__(self, tool):
        self.pid = tool.processes["server"].pid
        self.began, self.idle, self.spent = time.monotonic(), idle_seconds(), cpu_seconds(self.pid)

    def cores(self):
        """Cores in use: of all programs, of the server."""
        wall = time.monotonic() - self.began
        idle = (idle_seconds() - self.idle) / wall
        return os.cpu_count() - idle, (cpu_seconds(self.pid) - self.spent) / wall


def idle_seconds():
    """Of all cores, since the machine came up."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(field) for field in file.readline().split()[1:6]]
    return (ticks[3] + ticks[4]) / TICKS_PER_SECOND


def start_streams(load, ports, seconds):
    """A stream down each of @ports."""
    return [subprocess.Popen(load.argv("bulk", "--port", port, "--conns", 1, "--warm", WARM_S,
                                       "--seconds", seconds), stdout=subprocess.PIPE, text=True)
            for port in ports]


def carried(streams):
    """Waits for them: Gbit/s together."""
    reports = [json.loads(stream.communicate()[0] or "null") for stream in streams]
    if None in reports:
        raise MeasureError("a stream failed")
    return sum(report["bytes"] * 8 / report["seconds"] / 1e9 for report in reports)


def measure(load, tool):
    clock = Clock(tool)
    gbits = carried(start_streams(load, tool.ports, load.seconds))
    cores, of_server = clock.cores()
    # Of the sessions that carry bulk, some are on the loop of the one with requests, some are not.
    streams = start_streams(load, tool.ports[1:], load.seconds + WARM_S)
    small = load.run("web", "--port", tool.ports[0], "--conns", 1, *load.window(WARM_S))
    return {"gbits": gbits, "cores": cores, "server": of_server, "beside": carried(streams),
            "p50": small["p50_ns"] / 1e3, "p99": small["p99_ns"] / 1e3}


def run_rounds(arguments):
    """figures[threads][name]: the values of all rounds."""
    figures = {}
    with bed(arguments.seconds) as (load, folder):
        for index in range(arguments.rounds):
            for threads in arguments.threads:
                tool = Threads(arguments.bin, threads)
                tool.start(load.target_port, folder / f"{tool.name}-{index}")
                try:
                    found = measure(load, tool)
                finally:
                    tool.stop()
                for name, value in found.items():
                    figures.setdefault(threads, {}).setdefault(name, []).append(value)
            say(f"round {index + 1}: done")
    return figures


def table(figures):
    columns = ("gbits", "server", "cores", "beside", "p50", "p99")
    rows = [[str(threads), "", *(number(statistics.median(found[name])) for name in columns), ""]
            for threads, found in figures.items()]
    return [*as_table(["threads", "", "Gbit/s of 4", "cores, server", "cores, all",
                       "Gbit/s of 3", "p50 us", "p99 us", ""], rows),
            "Gbit/s of 4: one stream down through each of four agents over wss; p50, p99: requests",
            "through one of them, one at a time, while three carry bulk; medians."]


def parse_arguments(argv):
    parser = new_parser(__doc__, ROUNDS, SECONDS)
    parser.add_argument("--threads", type=numbers, default="1,2",
                        help="event loops to compare (default 1,2)")
    arguments = parser.parse_args(argv)
    if min(arguments.threads) < 1 or arguments.rounds < 1:
        parser.error("--threads and --rounds must be at least 1")
    return arguments


def main(argv):
    arguments = parse_arguments(argv)
    require(CulvertTls(arguments.bin).missing())
    neighbours = Neighbours()
    print("\n".join(table(run_rounds(arguments))))
    print(quiet_or_not(neighbours.share()))
    return 0


if __name__ == "__main__":
    run(main)
