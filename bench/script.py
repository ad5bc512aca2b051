"""What each script here does as a program: its options, how it ends, where its figures go."""

import argparse
import json
import pathlib
import signal
import sys

from bed import BUILD, RELEASE, allow_many_files, machine, now, say, version_and_commit
from measures import MeasureError
from tools import ToolError

NAME = pathlib.Path(sys.argv[0]).stem
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def numbers(text):
    """The type of an option that takes numbers with commas between."""
    return [int(word) for word in text.split(",")]


def new_parser(doc, rounds=None, seconds=None):
    """Options that many have; --rounds and --seconds where they have a default."""
    parser = argparse.ArgumentParser(prog=f"bench/{NAME}.py", description=doc.splitlines()[0])
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds,
                            help=f"rounds, of which medians are shown (default {rounds})")
    if seconds:
        parser.add_argument("--seconds", type=float, default=seconds,
                            help=f"length of each measured window (default {seconds:g})")
    parser.add_argument("--bin", metavar="DIR", type=pathlib.Path, default=RELEASE,
                        help="where culvert-server and culvert-agent are")
    return parser


def require(*missing):
    """Ends the script when one of @missing says what it cannot do without."""
    for what in filter(None, missing):
        raise ToolError(what)


def heading(arguments):
    """What stands at the head of all figures, taken before they are."""
    release, commit = version_and_commit(arguments.bin)
    return {"version": 1, "when": now(), "release": release, "commit": commit,
            "machine": machine()}


def keep(figures):
    """Writes them to build/bench/NAME.json."""
    write(BUILD / f"{NAME}.json", json.dumps(figures, indent=1) + "\n")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"written: {path}")


def run(main):
    """Exits with what @main returns. A signal leaves it through its `finally`s, so that whatever it
    has started ends too."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    allow_many_files()
    try:
        sys.exit(main(sys.argv[1:]))
    except (MeasureError, ToolError) as error:
        say(f"{NAME}: {error}")
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
