#!/usr/bin/env python3
"""What slow attackers cost good visitors: slowhttptest against the front door, in three ways.

The p99 of good visitors, on a kept connection and on fresh ones, before an attack and while it
runs, and beside it the same of the direct path, which shows what the attack takes of the machine.
"""

import asyncio
import shutil
import statistics
import threading
import time

from bed import Neighbours, bed, quiet_or_not, say
from measures import MeasureError
from procs import Process, open_files
from report import as_table, number
from script import EXIT_FAILED, new_parser, require, run
from tools import READY_PATIENCE_S, Culvert, Direct

ROUNDS = 3
SECONDS = 2.0
SLOW = 1000
LASTS_S = 60  # it is stopped before
RATIO_MAX = 2

# slowhttptest's flags, and where: what the agent serves, or a target that waits for a whole body.
ATTACKS = {
    "slow heads": (("-H",), "/connect"),
    "slow bodies": (("-B", "-s", "100000"), "/client/bench/http/{sink}/"),
    "slow readers": (("-X", "-w", "10", "-y", "20", "-n", "1", "-z", "1", "-k", "1"),
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
        return ["--serve", str(folder / "served"), "--allow", self.sink]


class Sink:
    """A web server that waits for all of a request: slow bodies come all the way to it."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        server = self.loop.run_until_complete(
            asyncio.start_server(self._swallow, "127.0.0.1", 0, backlog=SLOW))
        self.address = "127.0.0.1:{}".format(server.sockets[0].getsockname()[1])
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    @staticmethod
    async def _swallow(reader, writer):
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        writer.close()


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


def measure(load, tool, attack, folder):
    """figures[path][kept or fresh]: the ratio of during to before, and both."""
    flags, path = ATTACKS[attack]
    url = f"http://127.0.0.1:{tool.front_port}{path.format(sink=tool.sink)}"
    server = tool.processes["server"].pid
    ports = {"culvert": tool.port, "direct": load.target_port}
    before = {name: good(load, port) for name, port in ports.items()}
    rest = open_files(server)
    attacker = Process(["slowhttptest", *flags, "-c", str(SLOW), "-r", str(SLOW),
                        "-l", str(LASTS_S), "-i", "1", "-x", "24", "-p", "3", "-u", url],
                       folder / "slowhttptest.log")
    try:
        until(lambda: open_files(server) > rest + SLOW // 2, f"{attack}: the attack")
        during = {name: good(load, port) for name, port in ports.items()}
    finally:
        attacker.stop()
    until(lambda: open_files(server) < rest + SLOW // 10, f"{attack}: the end of it")
    return {name: {way: (before[name][way], during[name][way]) for way in before[name]}
            for name in ports}


def run_rounds(arguments):
    """found[attack][path, way]: (before, during) of all rounds."""
    found = {}
    sink = Sink()
    with bed(arguments.seconds) as (load, folder):
        tool = Attacked(arguments.bin, sink.address)
        (folder / "culvert").mkdir()
        tool.start(load.target_port, folder / "culvert")
        try:
            for index in range(arguments.rounds):
                for attack in ATTACKS:
                    for name, ways in measure(load, tool, attack, folder).items():
                        for way, pair in ways.items():
                            found.setdefault(attack, {}).setdefault((name, way), []).append(pair)
                say(f"round {index + 1}: done")
        finally:
            tool.stop()
    return found


def table(found):
    """The lines, and whether all held."""
    rows, held = [], True
    for attack, paths in found.items():
        for (name, way), pairs in paths.items():
            ratio = statistics.median(during / before for before, during in pairs)
            ours = name != Direct.name
            held = held and not (ours and ratio > RATIO_MAX)
            verdict = ("holds" if ratio <= RATIO_MAX else "FALLS SHORT") if ours else ""
            rows.append([f"{attack}, {way}", name,
                         *(number(statistics.median(side)) for side in zip(*pairs)),
                         number(ratio), verdict])
    return [*as_table(["", "", "p99 before, us", "during, us", "ratio", ""], rows),
            f"{SLOW} attackers; kept: requests in turn on one connection, fresh: a connection",
            f"each; medians; the goal is a ratio of at most {RATIO_MAX}."], held


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
