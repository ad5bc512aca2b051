#!/usr/bin/env python3
"""Culvert side by side with the direct path, ssh, and other tunnels found here; see --help.

Every tool runs at the same time and idles while another is measured; a round takes each measure in
turn through all tools, so that the figures of one round were taken within seconds of each other and
their ratios mean something. All of it happens on loopback.
"""

import argparse
import json
import os
import pathlib
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time

from measures import (FIGURES, MEASURES, NEEDS_FRESH, TIMED, UNTIMED_S, WARM_SHARE, Load,
                      MeasureError)
from procs import Process, free_port
from report import Results, judge, text
from tools import Direct, ToolError, all_tools

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
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
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description=__doc__.splitlines()[0],
        epilog="measures: " + ", ".join(MEASURES) + "; tools: "
        + ", ".join(tool.name for tool in all_tools("")))
    parser.add_argument("--quick", action="store_true", help="one short round, within 90 s")
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds (default {ROUNDS})")
    parser.add_argument("--only", metavar="NAME", choices=MEASURES, help="take this measure only")
    parser.add_argument("--tools", metavar="A,B,C", help="compare these (default: all found)")
    parser.add_argument("--seconds", type=float,
                        help="length of each measured window (default: what fits the time)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, default=BUILD / "bench.json",
                        help="where the figures go (default build/bench/bench.json)")
    parser.add_argument("--bin", metavar="DIR", type=pathlib.Path,
                        default=ROOT / "build" / "release",
                        help="where culvert-server and culvert-agent are")
    parser.add_argument("--strict", action="store_true",
                        help="exit 1 when a goal is missed or a measurement failed")
    arguments = parser.parse_args(argv)
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.quick else ROUNDS
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
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


def build_load():
    """Compiles the load generator when its sources are newer."""
    sources = sorted((ROOT / "bench" / "load").glob("*.c"))
    headers = (ROOT / "bench" / "load").glob("*.h")
    program = BUILD / "load"
    newest = max(path.stat().st_mtime for path in [*sources, *headers])
    if not program.exists() or program.stat().st_mtime < newest:
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall",
                        "-Wextra", *sources, "-o", program], check=True)
    return program


def say(line):
    print(line, file=sys.stderr, flush=True)


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


def run_rounds(arguments, tools, load_program):
    """Measures all rounds and returns what they showed and the window used."""
    results = Results([tool.name for tool in tools], arguments.rounds)
    seconds = window_seconds(arguments, len(tools))
    names = [arguments.only] if arguments.only else list(MEASURES)
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        port = free_port()
        load = Load(load_program, port, seconds)
        target = Process(load.argv("target", "--port", port), folder / "target.log")
        probe = Direct()
        bench = Bench(load, tools, results, folder)
        try:
            probe.start(port, folder)
            for index in range(arguments.rounds):
                bench.round(index, names)
        finally:
            bench.stop_all()
            target.stop()
    return results, seconds


def machine():
    """What the figures depend on besides the programs."""
    cpu = ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "load_before": os.getloadavg()[0]}


def commit():
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def write_json(path, about, results, judged):
    document = {
        "version": 1,
        **about,
        "units": {name: {"title": figure.title.strip(), "unit": figure.unit,
                         "more_is_better": figure.more_is_better}
                  for name, figure in FIGURES.items()},
        "tools": results.as_dict(),
        "goals": judged,
        "failures": results.failures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def allow_many_files():
    """Tools inherit the limit; a held connection costs a proxy two descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(argv):
    arguments = parse_arguments(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    allow_many_files()
    try:
        tools = choose_tools(arguments)
        load_program = build_load()
    except UsageError as error:
        say(f"bench: {error}")
        return EXIT_USAGE
    start = time.monotonic()
    about = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(),
             "machine": machine()}
    results, seconds = run_rounds(arguments, tools, load_program)
    judged = judge(results)
    about.update(rounds=arguments.rounds, window_seconds=seconds,
                 took_seconds=round(time.monotonic() - start, 1))
    print(text(results, judged))
    write_json(arguments.json, about, results, judged)
    print(f"took {about['took_seconds']:.0f} s; figures in {arguments.json}")
    missed = results.failures or any(goal["verdict"] != "holds" for goal in judged)
    return EXIT_SHORT if arguments.strict and missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
