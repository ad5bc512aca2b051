#!/usr/bin/env python3
"""How cost grows with the number of open connections, through Culvert and beside it; see --help.

It must not grow: a request costs the same among 5,000 open connections as among 100, and a
connection the same memory.
"""

import statistics
import time

from bed import BUILD, HISTORY, Neighbours, bed, quiet_or_not, say
from measures import SETTLE_S, Held, MeasureError, bulk
from plot import Panel, Series, svg
from procs import cpu_seconds, open_files, rss_kib
from report import as_table, number
from script import heading, keep, new_parser, numbers, require, run, write
from tools import Culvert, Direct

POINTS = "1,10,100,1000,2500,5000"
ROUNDS = 3
SECONDS = 1.0
ACTIVE_MAX = 64
PATIENCE_S = 30.0
POLL_S = 0.05
KIB_PER_MB = 1e6 / 1024
ROLES = ("server", "agent")

TABLE_NOTE = (
    "req/s: up to 64 requests at once, on the connections in turn; p50, p99: one at a time;",
    "Gbit/s: one stream down beside that many silent connections; us/req: CPU of server and agent",
    "for a request; MB: their RSS; KiB: what a silent connection adds to it.",
)


def parse_arguments(argv):
    parser = new_parser(__doc__, ROUNDS, SECONDS)
    parser.add_argument("--points", type=numbers, default=POINTS,
                        help=f"open connections (default {POINTS})")
    parser.add_argument("--keep", action="store_true",
                        help="keep the plot as bench/history/scale.svg, as a release does")
    arguments = parser.parse_args(argv)
    arguments.points = sorted(set(arguments.points))
    if len(arguments.points) < 2 or arguments.points[0] < 1 or arguments.rounds < 1:
        parser.error("--points takes two or more, each at least 1, and --rounds at least 1")
    return arguments


def cpu_of(tool):
    return {role: cpu_seconds(process.pid) for role, process in tool.processes.items()}


def rss_of(tool):
    return {role: rss_kib(process.pid) for role, process in tool.processes.items()}


def held(load, tool, conns):
    """Memory with @conns silent connections, and the speed of a stream beside them."""
    rest = rss_of(tool)
    with Held(load, "hold", "--port", tool.port, "--conns", conns):
        time.sleep(SETTLE_S)
        full = rss_of(tool)
        figures = {"bulk": bulk(load, tool, "down", 1)["down1"]}
    for role, kib in full.items():
        figures[f"rss_{role}"] = kib / KIB_PER_MB
        figures[f"kib_{role}"] = (kib - rest[role]) / conns
    return figures


def in_turn(load, tool, conns, active):
    """Requests on @conns connections in turn, @active at once: the report of the load generator,
    and what each process spent on a request, in microseconds."""
    with Held(load, "web", "--port", tool.port, "--conns", conns, "--active", active,
              *load.window()) as web:
        before = cpu_of(tool)
        report = web.next_report(PATIENCE_S + load.seconds)
        spent = {role: cpu - before[role] for role, cpu in cpu_of(tool).items()}
    return report, {role: 1e6 * cpu / report["requests"] for role, cpu in spent.items()}


def wait_until_closed(tool, fds):
    """Returns once no process has more descriptors than @fds, when it had no connection. What is
    still being torn down would count against the limit of connections."""
    deadline = time.monotonic() + PATIENCE_S
    while any(open_files(process.pid) > fds[role] for role, process in tool.processes.items()):
        if time.monotonic() > deadline:
            raise MeasureError(f"{tool.name}: connections that the visitors closed stay open")
        time.sleep(POLL_S)


def measure(load, tool, conns):
    """All figures of one tool at one number of connections."""
    fds = {role: open_files(process.pid) for role, process in tool.processes.items()}
    figures = held(load, tool, conns)
    wait_until_closed(tool, fds)
    report, spent = in_turn(load, tool, conns, min(conns, ACTIVE_MAX))
    figures["rate"] = report["requests"] / report["seconds"]
    figures.update({f"cpu_{role}": cpu for role, cpu in spent.items()})
    wait_until_closed(tool, fds)
    report, _ = in_turn(load, tool, conns, 1)
    figures.update(p50=report["p50_ns"] / 1e3, p99=report["p99_ns"] / 1e3)
    return figures


def run_rounds(arguments):
    """figures[tool][figure][index of the point]: the values of all rounds."""
    figures = {}
    with bed(arguments.seconds) as (load, folder):
        for index in range(arguments.rounds):
            for place, conns in enumerate(arguments.points):
                for tool in (Direct(), Culvert(arguments.bin)):
                    # Afresh each time, since memory that was freed would be taken again.
                    tool.start(load.target_port, folder / f"{tool.name}-{index}-{conns}")
                    try:
                        found = measure(load, tool, conns)
                    except MeasureError as error:
                        raise MeasureError(f"{conns} through {tool.name}: {error}") from None
                    finally:
                        tool.stop()
                    for name, value in found.items():
                        lists = figures.setdefault(tool.name, {}).setdefault(
                            name, [[] for _ in arguments.points])
                        lists[place].append(value)
                say(f"round {index + 1}, {conns} connections: done")
    return {tool: {name: [statistics.median(values) for values in lists]
                   for name, lists in found.items()} for tool, found in figures.items()}


def table(points, ours, direct):
    rows = []
    for place, conns in enumerate(points):
        cells = [ours["rate"], direct["rate"], ours["bulk"], direct["bulk"], ours["p50"],
                 ours["p99"], direct["p50"], direct["p99"], ours["cpu_server"], ours["cpu_agent"],
                 ours["rss_server"], ours["rss_agent"], ours["kib_server"], ours["kib_agent"]]
        rows.append([str(conns), ""] + [number(cell[place]) for cell in cells])
    # The first connections take whole pages and the pool's first blocks.
    return [*as_table(["conns", "", "req/s", "direct", "Gbit/s", "direct", "p50 us", "p99 us",
                       "direct", "direct", "us/req s", "us/req a", "MB s", "MB a", "KiB s",
                       "KiB a", ""], [row + [""] for row in rows]),
            *TABLE_NOTE]


def plot(points, ours, direct, head):
    panels = [
        Panel("Requests a second, up to 64 at once",
              [Series("Culvert", "tunnel", ours["rate"]),
               Series("direct", "direct", direct["rate"])]),
        Panel("One bulk stream beside them, Gbit/s",
              [Series("Culvert", "tunnel", ours["bulk"]),
               Series("direct", "direct", direct["bulk"])]),
        Panel("Latency of one request at a time, µs",
              [Series("p50", "tunnel", ours["p50"]), Series("p99", "tunnel", ours["p99"], True),
               Series("direct p50", "direct", direct["p50"]),
               Series("direct p99", "direct", direct["p99"], True)], log=True),
        Panel("Resident memory, MB",
              [Series("culvert-server", "tunnel", ours["rss_server"]),
               Series("culvert-agent", "other", ours["rss_agent"])]),
    ]
    return svg("Culvert {release} ({commit}) against open connections, {cores} cores".format(
        cores=head["machine"]["cores"], **head), panels, points)


def main(argv):
    arguments = parse_arguments(argv)
    require(Culvert(arguments.bin).missing())
    head = {**heading(arguments), "rounds": arguments.rounds, "window_seconds": arguments.seconds}
    neighbours = Neighbours()
    figures = run_rounds(arguments)
    ours, direct = figures["culvert"], figures["direct"]
    head["neighbours_share"] = neighbours.share()
    print("\n".join(table(arguments.points, ours, direct)))
    print(quiet_or_not(head["neighbours_share"]))
    keep({**head, "points": arguments.points, "tools": figures})
    drawn = plot(arguments.points, ours, direct, head)
    write(BUILD / "scale.svg", drawn)
    if arguments.keep:
        write(HISTORY / "scale.svg", drawn)
    return 0


if __name__ == "__main__":
    run(main)
