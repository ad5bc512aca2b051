#!/usr/bin/env python3
"""Culvert side by side with the direct path, ssh, and other tunnels found here; see --help.

Every tool runs at the same time and idles while another is measured; a round takes each measure in
turn through all tools, so that the figures of one round were taken within seconds of each other and
their ratios mean something. All of it happens on loopback.
"""

import json
import pathlib
import subprocess
import time

import history
from bed import BUILD, HISTORY, Neighbours, bed, quiet_or_not, say
from measures import FIGURES, MEASURES, NEEDS_FRESH, TIMED, UNTIMED_S, WARM_SHARE, MeasureError
from report import Results, judge, text
from script import heading, new_parser, run, write
from tools import ToolError, all_tools

ROUNDS = 3
ROUND_BUDGET_S = 145.0
QUICK_BUDGET_S = 78.0
WINDOW_MIN_S = 0.4
WINDOW_MAX_S = 2.0
PER_RUN_S = 0.1
EXIT_SHORT = 1
EXIT_USAGE = 2


class UsageError(Exception):
    """The benchmark cannot run as asked."""


def parse_arguments(argv):
    parser = new_parser(__doc__)
    parser.epilog = ("measures: " + ", ".join(MEASURES) + "; tools: "
                     + ", ".join(tool.name for tool in all_tools("")))
    parser.add_argument("--quick", action="store_true", help="one short round, within 90 s")
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds (default {ROUNDS})")
    parser.add_argument("--only", metavar="NAME", choices=MEASURES, help="take this measure only")
    parser.add_argument("--tools", metavar="A,B,C", help="compare these (default: all found)")
    parser.add_argument("--seconds", type=float,
                        help="length of each measured window (default: what fits the time)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, default=BUILD / "bench.json",
                        help="where the figures go (default build/bench/bench.json)")
    parser.add_argument("--block", metavar="BYTES", type=int,
                        help="one read or write of a bulk stream (default 131072, as iperf3 does)")
    parser.add_argument("--keep", action="store_true",
                        help="keep the figures as bench/history/VERSION.json, as a release does")
    parser.add_argument("--against", metavar="FILE", type=pathlib.Path,
                        help="show how our ratios changed since that kept run")
    parser.add_argument("--strict", action="store_true",
                        help="exit 1 when a goal is missed or a measurement failed")
    arguments = parser.parse_args(argv)
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.quick else ROUNDS
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if arguments.keep and (arguments.only or arguments.tools or arguments.rounds < ROUNDS):
        parser.error(f"--keep takes all measures through all tools in at least {ROUNDS} rounds")
    if arguments.seconds is not None and not 0.05 <= arguments.seconds <= 600:
        parser.error("--seconds must lie between 0.05 and 600")
    return arguments


def choose_tools(arguments):
    """The tools to compare. One that was asked for by name, or is ours, must be there."""
    known = {tool.name: tool for tool in all_tools(arguments.bin)}
    asked = arguments.tools.split(",") if arguments.tools else None
    for name in asked or ():
        if name not in known:
            raise UsageError(f"no tool is called {name}; there are: {', '.join(known)}")
    chosen = []
    for tool in known.values():
        if asked is not None and tool.name not in asked:
            continue
        reason = tool.missing()
        if not reason:
            chosen.append(tool)
        elif asked is not None or tool.name == "culvert":
            raise UsageError(f"{tool.name}: {reason}")
        else:
            say(f"skipped {tool.name}: {reason}")
    return chosen


def window_seconds(arguments, tools):
    """The measured window that lets all rounds end within the time of the run."""
    if arguments.seconds is not None:
        return arguments.seconds
    budget = QUICK_BUDGET_S / arguments.rounds if arguments.quick else ROUND_BUDGET_S
    each = (budget / tools - UNTIMED_S) / TIMED - PER_RUN_S
    return round(min(WINDOW_MAX_S, max(WINDOW_MIN_S, each / (1 + WARM_SHARE))), 2)


class Bench:
    """One run: the target, the tools and what they showed."""

    def __init__(self, load, tools, results, folder):
        self.load = load
        self.tools = tools
        self.results = results
        self.folder = folder
        self.running = []

    def start(self, tool, round_index, measure="start"):
        try:
            tool.start(self.load.target_port, self.folder / f"{tool.name}-{round_index + 1}")
            self.running.append(tool)
        except (ToolError, OSError, subprocess.CalledProcessError) as error:
            self.results.fail(tool.name, round_index, measure, str(error))
            say(f"  {error}")

    def stop(self, tool):
        tool.stop()
        self.running.remove(tool)

    def stop_all(self):
        for tool in list(self.running):
            self.stop(tool)

    def measure(self, name, tool, round_index):
        """Takes one measure. A tool that fails it starts afresh, so that the next one is fair."""
        try:
            for role in tool.dead():
                raise MeasureError(f"{role} has ended: {tool.processes[role].last_words()}")
            figures = MEASURES[name](self.load, tool)
        except MeasureError as error:
            self.results.fail(tool.name, round_index, name, str(error))
            say(f"  {name}: {tool.name}: {error}")
            self.stop(tool)
            self.start(tool, round_index, f"restart after {name}")
            return None
        self.results.add(tool.name, round_index, figures)
        return figures

    def refresh(self, tool, round_index):
        self.stop(tool)
        self.start(tool, round_index)

    def round(self, index, names):
        for tool in self.tools:
            self.start(tool, index)
        for name in names:
            if name in NEEDS_FRESH:
                for tool in [tool for tool in self.running if tool.takes_agents]:
                    self.refresh(tool, index)
            shown = []
            # Each round begins with another tool, lest one always runs on the warmest machine.
            turn = index % len(self.tools)
            for tool in self.tools[turn:] + self.tools[:turn]:
                figures = self.measure(name, tool, index) if tool in self.running else None
                if figures:
                    first = next(iter(figures))
                    shown.append(f"{tool.name} {figures[first]:.4g} {FIGURES[first].unit}")
            say(f"round {index + 1} {name}: " + ", ".join(shown))
        self.stop_all()


def run_rounds(arguments, tools):
    """Measures all rounds and returns what they showed and the window used."""
    results = Results([tool.name for tool in tools], arguments.rounds)
    seconds = window_seconds(arguments, len(tools))
    names = [arguments.only] if arguments.only else list(MEASURES)
    with bed(seconds, arguments.block) as (load, folder):
        bench = Bench(load, tools, results, folder)
        try:
            for index in range(arguments.rounds):
                bench.round(index, names)
        finally:
            bench.stop_all()
    return results, seconds


def document(head, results, judged):
    return {
        **head,
        "units": {name: {"title": figure.title.strip(), "unit": figure.unit,
                         "more_is_better": figure.more_is_better}
                  for name, figure in FIGURES.items()},
        "tools": results.as_dict(),
        "goals": judged,
        "failures": results.failures,
    }


def main(argv):
    arguments = parse_arguments(argv)
    try:
        tools = choose_tools(arguments)
        kept = history.read(arguments.against) if arguments.against else None
    except (UsageError, history.HistoryError) as error:
        say(f"bench: {error}")
        return EXIT_USAGE
    start = time.monotonic()
    head = heading(arguments)
    neighbours = Neighbours()
    results, seconds = run_rounds(arguments, tools)
    judged = judge(results)
    head.update(rounds=arguments.rounds, window_seconds=seconds, block=arguments.block,
                neighbours_share=neighbours.share(),
                took_seconds=round(time.monotonic() - start, 1))
    found = document(head, results, judged)
    print(text(results, judged))
    if kept:
        print("\n".join(["", *history.changes(found, kept)]))
    print(f"took {head['took_seconds']:.0f} s; {quiet_or_not(head['neighbours_share'])}")
    write(arguments.json, json.dumps(found, indent=1) + "\n")
    if arguments.keep:
        write(HISTORY / f"{head['release']}.json", history.kept_text(found))
    missed = results.failures or any(goal["verdict"] != "holds" for goal in judged)
    return EXIT_SHORT if arguments.strict and missed else 0


if __name__ == "__main__":
    run(main)
