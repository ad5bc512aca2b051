#!/usr/bin/env python3
"""Holds thousands of idle agents and visitor connections in one server; see --help.

It fails when one of them is lost, or when keeping them alive takes the server too much CPU. Agents
ping every 5 seconds; a visitor is idle, and echoes a byte when the time is over.
"""

import time

from bed import bed, say
from measures import SETTLE_S, Held, MeasureError
from procs import cpu_seconds, rss_kib
from script import EXIT_FAILED, heading, keep, new_parser, require, run
from tools import Culvert, CulvertTls

AGENTS = 10000
VISITORS = 5000
SECONDS = 600.0
CPU_SHARE_MAX = 0.02
LOOK_EVERY_S = 30.0
KIB_PER_MB = 1e6 / 1024


def parse_arguments(argv):
    parser = new_parser(__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS,
                        help=f"idle agents (default {AGENTS})")
    parser.add_argument("--visitors", type=int, default=VISITORS,
                        help=f"visitor connections, through one more agent (default {VISITORS})")
    parser.add_argument("--seconds", type=float, default=SECONDS,
                        help=f"how long all are held (default {SECONDS:g})")
    parser.add_argument("--tls", action="store_true", help="agents come over wss")
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.agents <= 16384 or not 1 <= arguments.visitors <= 8192:
        parser.error("--agents takes 1 to 16384 and --visitors 1 to 8192")
    if arguments.seconds <= 0:
        parser.error("--seconds takes more than 0")
    return arguments


def crowded(kind, sessions):
    """A tool of ours whose server takes so many @sessions: the default is 10,000."""

    class Crowded(kind):
        def server_flags(self, folder):
            return [*super().server_flags(folder), "--max-sessions", str(sessions)]

    return Crowded


class Watch:
    """What the two processes spend and hold while the time passes."""

    def __init__(self, tool):
        self.pids = {role: process.pid for role, process in tool.processes.items()}
        self.start = time.monotonic()
        self.before = self._cpu()
        self.rss_max = {role: 0.0 for role in self.pids}
        self.look()

    def _cpu(self):
        return {role: cpu_seconds(pid) for role, pid in self.pids.items()}

    def passed(self):
        return time.monotonic() - self.start

    def shares(self):
        """CPU of each process so far, as a share of one core."""
        return {role: (cpu - self.before[role]) / self.passed()
                for role, cpu in self._cpu().items()}

    def look(self):
        """Resident memory of each process in MB; the highest is kept."""
        rss = {role: rss_kib(pid) / KIB_PER_MB for role, pid in self.pids.items()}
        for role, value in rss.items():
            self.rss_max[role] = max(self.rss_max[role], value)
        return rss


def watch(tool, seconds):
    """Looks at the processes until @seconds have passed, and tells of each look."""
    looks = Watch(tool)
    while True:
        left = seconds - looks.passed()
        if left <= 0:
            return looks
        time.sleep(min(left, LOOK_EVERY_S))
        shares, rss = looks.shares(), looks.look()
        say(f"{looks.passed():5.0f} s: server {100 * shares['server']:.2f} % of a core, "
            f"{rss['server']:.1f} MB; agent {100 * shares['agent']:.2f} %, {rss['agent']:.1f} MB")


def lost_of(held, wanted):
    """How many of @wanted were lost; all, when the load generator told nothing."""
    return held.outcome["lost"] if held.outcome else wanted


def hold(arguments, load, tool):
    """Brings all up, holds them, and returns what was seen."""
    rest = rss_kib(tool.processes["server"].pid)
    crowd = Held(load, "agents", "--port", tool.front_port, "--conns", arguments.agents,
                 *tool.join_flags)
    visitors = Held(load, "hold", "--port", tool.port, "--conns", arguments.visitors)
    failures = []
    try:
        with crowd:
            time.sleep(SETTLE_S)
            joined = rss_kib(tool.processes["server"].pid)
            with visitors:
                say(f"{arguments.agents} agents in {crowd.report['seconds']:.1f} s, "
                    f"{arguments.visitors} visitors in {visitors.report['seconds']:.1f} s")
                time.sleep(SETTLE_S)
                looks = watch(tool, arguments.seconds)
                shares = looks.shares()
    except MeasureError as error:
        if visitors.report is None or crowd.report is None:
            raise
        failures.append(str(error))
    return {"held_seconds": round(looks.passed(), 1), "cpu_share": shares,
            "rss_mb_max": looks.rss_max, "agent_kib": (joined - rest) / arguments.agents,
            "lost_agents": lost_of(crowd, arguments.agents),
            "lost_visitors": lost_of(visitors, arguments.visitors), "failures": failures}


def report(found):
    lost = found["lost_agents"] + found["lost_visitors"]
    share = found["cpu_share"]["server"]
    verdict = "holds" if lost == 0 and share < CPU_SHARE_MAX else "FALLS SHORT"
    return verdict, [
        f"held for {found['held_seconds']:.0f} s: {found['agents']} agents and "
        f"{found['visitors']} visitor connections in one server",
        f"lost: {found['lost_agents']} agents, {found['lost_visitors']} visitors",
        f"server: {100 * share:.2f} % of a core (goal: under {100 * CPU_SHARE_MAX:g} %), "
        f"at most {found['rss_mb_max']['server']:.1f} MB; {found['agent_kib']:.1f} KiB an agent",
        f"agent of the visitors: {100 * found['cpu_share']['agent']:.2f} % of a core, "
        f"at most {found['rss_mb_max']['agent']:.1f} MB", verdict]


def main(argv):
    arguments = parse_arguments(argv)
    tool = crowded(CulvertTls if arguments.tls else Culvert, arguments.agents + 1)(arguments.bin)
    require(tool.missing())
    head = {**heading(arguments), "agents": arguments.agents, "visitors": arguments.visitors,
            "tls": arguments.tls}
    with bed(arguments.seconds) as (load, folder):
        tool.start(load.target_port, folder / tool.name)
        try:
            found = {**head, **hold(arguments, load, tool)}
        finally:
            tool.stop()
    verdict, lines = report(found)
    print("\n".join(lines))
    keep(found)
    return 0 if verdict == "holds" else EXIT_FAILED


if __name__ == "__main__":
    run(main)
