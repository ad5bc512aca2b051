#!/usr/bin/env python3
"""What slow attackers cost good visitors: slowhttptest against the front door, in three ways.

The p99 of good visitors, on a kept connection and on fresh ones: before an attack, while the same
attackers are at another server on the machine, and while they are at ours. The attackers' own work,
a whole core of it where slowhttptest waits in circles, is in both of the latter.
"""

import contextlib
import shutil
import socket
import statistics
import time

from bed import Neighbours, bed, quiet_or_not, say
from measures import MeasureError
from procs import Process, open_files
from report import as_table, number
from script import EXIT_FAILED, new_parser, require, run
from tools import READY_PATIENCE_S, Culvert

ROUNDS = 3
SECONDS = 2.0
SLOW = 1000
JOIN_A_SECOND = 200
INTERVAL_S = 10  # between two words of an attacker
LASTS_S = 60  # it is stopped before
RATIO_MAX = 2

# slowhttptest's flags, like those of its manual's examples, and where: what the agent serves, or a
# target that waits for a whole body.
ATTACKS = {
    "slow heads": (("-H",), "/connect"),
    "slow bodies": (("-B", "-s", "100000"), "/client/bench/http/{sink}/"),
    "slow readers": (("-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"),
                     "/client/bench/http/culvert.files/large"),
}


class Attacked(Culvert):
    """Its agent serves a folder too, and reaches the sink."""

    def __init__(self, bin_folder, sink):
        super().__init__(bin_folder)
        self.sink = sink

    def agent_flags(self, folder):
        (folder / "served").mkdir()
        (folder / "served" / "large").write_bytes(bytes(8 << 20))
        return ["--serve", str(folder / "served"), "--allow", self.sink.address]


class Sink:
    """A web server that takes what comes and does not answer: the kernel's part of one that listens
    and does not accept."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4 * SLOW)
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])


def good(load, port):
    """p99 in microseconds on a kept connection, and of fresh ones."""
    kept = load.run("web", "--port", port, "--conns", 1, *load.window())
    fresh = load.run("web", "--fresh", "--port", port, "--conns", 1, *load.window())
    return {"kept": kept["p99_ns"] / 1e3, "fresh": fresh["p99_ns"] / 1e3}


def until(condition, what):
    deadline = time.monotonic() + READY_PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise MeasureError(f"{what}: not within {READY_PATIENCE_S:.0f} s")
        time.sleep(0.05)


def under_attack(load, tool, attacked, attack, folder):
    """What good() finds at @tool while attackers are at @attacked."""
    flags, path = ATTACKS[attack]
    url = f"http://127.0.0.1:{attacked.front_port}{path.format(sink=attacked.sink.address)}"
    server = attacked.processes["server"].pid
    rest = open_files(server)
    attacker = Process(["slowhttptest", *flags, "-c", str(SLOW), "-r", str(JOIN_A_SECOND),
                        "-l", str(LASTS_S), "-i", str(INTERVAL_S), "-x", "24", "-p", "3",
                        "-u", url],
                       folder / "slowhttptest.log")
    try:
        until(lambda: open_files(server) > rest + 9 * SLOW // 10, f"{attack}: the attack")
        return good(load, tool.port)
    finally:
        attacker.stop()
        until(lambda: open_files(server) < rest + SLOW // 10, f"{attack}: the end of it")


def start(name, arguments, load, folder):
    tool = Attacked(arguments.bin, Sink())
    (folder / name).mkdir()
    tool.start(load.target_port, folder / name)
    return tool


def run_rounds(arguments):
    """found[attack][way]: (before, beside, during) of all rounds."""
    found = {attack: {} for attack in ATTACKS}
    with bed(arguments.seconds) as (load, folder), contextlib.ExitStack() as stack:
        ours, other = (start(name, arguments, load, folder) for name in ("ours", "other"))
        for tool in (ours, other):
            stack.callback(tool.stop)
        for index in range(arguments.rounds):
            for attack, ways in found.items():
                moments = [good(load, ours.port)]
                for attacked in (other, ours):
                    moments.append(under_attack(load, ours, attacked, attack, folder))
                for way in moments[0]:
                    ways.setdefault(way, []).append([moment[way] for moment in moments])
            say(f"round {index + 1}: done")
    return found


def table(found):
    """The lines, and whether all held."""
    rows, held = [], True
    for attack, ways in found.items():
        for way, rounds in ways.items():
            ratio = statistics.median(during / beside for _, beside, during in rounds)
            held = held and ratio <= RATIO_MAX
            rows.append([f"{attack}, {way}",
                         *(number(statistics.median(moment)) for moment in zip(*rounds)),
                         number(ratio), "holds" if ratio <= RATIO_MAX else "FALLS SHORT"])
    return [*as_table(["p99 of good visitors, us", "calm", "another is attacked",
                       "we are", "ratio", ""], rows),
            f"{SLOW} attackers; kept: requests in turn on one connection, fresh: a connection",
            f"each; medians. Ratio: we against another; the goal is at most {RATIO_MAX}."], held


def parse_arguments(argv):
    parser = new_parser(__doc__, ROUNDS, SECONDS)
    parser.add_argument("--strict", action="store_true", help="exit 1 when the goal is missed")
    arguments = parser.parse_args(argv)
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    return arguments


def main(argv):
    arguments = parse_arguments(argv)
    require(Culvert(arguments.bin).missing(),
            None if shutil.which("slowhttptest") else "slowhttptest is not installed")
    neighbours = Neighbours()
    lines, held = table(run_rounds(arguments))
    print("\n".join(lines))
    print(quiet_or_not(neighbours.share()))
    return EXIT_FAILED if arguments.strict and not held else 0


if __name__ == "__main__":
    run(main)
