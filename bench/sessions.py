#!/usr/bin/env python3
"""How cost grows with the number of agents that one server has; see --help.

What a request through one of them costs must not depend on how many others there are, and each of
them costs the same memory and the same keep-alive.
"""

import contextlib
import statistics
import time

from bed import Neighbours, bed, quiet_or_not, say
from measures import SETTLE_S, Held, MeasureError
from procs import rss_kib, run_seconds
from report import as_table, number
from scale import ACTIVE_MAX, in_turn
from soak import crowded
from script import heading, keep, new_parser, numbers, require, run
from tools import Culvert

POINTS = "0,100,1000,5000"
ROUNDS = 3
SECONDS = 1.0
PING_EVERY_S = 10.0  # of an idle agent: what it costs at rest shows in that time
AGENTS_MAX = 16384

COLUMNS = {
    "agents": "agents",
    "rate": "req/s",
    "p99": "p99 us",
    "request": "us/req s",
    "rest": "us/s",
    "memory": "KiB",
    "joins": "joins/s",
}
TABLE_NOTE = (
    "req/s, p99: 64 requests at once through one agent more; us/req s: CPU of the server for one;",
    "us/s: CPU of the server for a second of an idle agent; KiB: its memory; joins/s: a second of",
    "the server's CPU.",
)


def parse_arguments(argv):
    parser = new_parser(__doc__, ROUNDS, SECONDS)
    parser.add_argument("--points", type=numbers, default=POINTS,
                        help=f"idle agents (default {POINTS})")
    arguments = parser.parse_args(argv)
    arguments.points = sorted(set(arguments.points))
    if arguments.points[0] < 0 or arguments.points[-1] > AGENTS_MAX or arguments.rounds < 1:
        parser.error(f"--points takes 0 to {AGENTS_MAX}, and --rounds at least 1")
    return arguments


def measure(load, tool, agents):
    """All figures with so many idle agents."""
    server = tool.processes["server"].pid
    memory, spent = rss_kib(server), run_seconds(server)
    crowd = contextlib.nullcontext()
    if agents:
        crowd = Held(load, "agents", "--port", tool.front_port, "--conns", agents, *tool.join_flags)
    figures = {}
    with crowd:
        if agents:
            figures["joins"] = crowd.report["joined"] / (run_seconds(server) - spent)
            time.sleep(SETTLE_S)
            figures["memory"] = (rss_kib(server) - memory) / agents
            time.sleep(PING_EVERY_S)  # the first pings, after which links rest
            spent = run_seconds(server)
            time.sleep(PING_EVERY_S)
            figures["rest"] = 1e6 * (run_seconds(server) - spent) / PING_EVERY_S / agents
        report, cpu = in_turn(load, tool, ACTIVE_MAX, ACTIVE_MAX)
    figures.update(rate=report["requests"] / report["seconds"], p99=report["p99_ns"] / 1e3,
                   request=cpu["server"])
    if agents and crowd.outcome["lost"]:
        raise MeasureError(f"{crowd.outcome['lost']} of {agents} agents were lost")
    return figures


def run_rounds(arguments):
    """{agents: {figure: median}}."""
    found = {agents: {} for agents in arguments.points}
    with bed(arguments.seconds) as (load, folder):
        for index in range(arguments.rounds):
            for agents in arguments.points:
                # Afresh each time, since memory that was freed would be taken again.
                tool = crowded(Culvert, AGENTS_MAX + 1)(arguments.bin)
                tool.start(load.target_port, folder / f"{index}-{agents}")
                try:
                    figures = measure(load, tool, agents)
                finally:
                    tool.stop()
                for name, value in figures.items():
                    found[agents].setdefault(name, []).append(value)
                say(f"round {index + 1}, {agents} agents: done")
    return {agents: {name: statistics.median(values) for name, values in figures.items()}
            for agents, figures in found.items()}


def table(found):
    rows = [[str(agents)] + [number(figures[name]) if name in figures else ""
                             for name in list(COLUMNS)[1:]] + [""]
            for agents, figures in found.items()]
    return [*as_table([*COLUMNS.values(), ""], rows), *TABLE_NOTE]


def main(argv):
    arguments = parse_arguments(argv)
    require(Culvert(arguments.bin).missing())
    head = heading(arguments)
    neighbours = Neighbours()
    found = run_rounds(arguments)
    share = neighbours.share()
    print("\n".join(table(found)))
    print(quiet_or_not(share))
    keep({**head, "rounds": arguments.rounds, "window_seconds": arguments.seconds,
          "neighbours_share": share, "agents": found})
    return 0


if __name__ == "__main__":
    run(main)
