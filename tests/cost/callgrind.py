"""Runs the program `cost` under callgrind, and reads from its dumps what the layers cost.

Counted is what functions of src/ execute themselves, and the memory functions of plain.c that they
call. Nothing else is: neither the scenarios' own code nor the C library, whose functions differ
from machine to machine.
"""

import collections
import dataclasses
import pathlib
import re
import shutil
import subprocess
import tempfile

OURS = re.compile(r"/src/([a-z]+/\w+\.[ch])$")
PLAIN = "/tests/cost/plain.c"
CLONE = re.compile(r"\.(constprop|isra|part|cold)\b.*$")
NAMED = re.compile(r"(c?(?:ob|fl|fi|fe|fn))=\((\d+)\)(?: (.*))?$")
COSTS = re.compile(r"[+-]?\d+ |\* ")


class CostError(Exception):
    """The program or callgrind failed."""


@dataclasses.dataclass
class Cost:
    """What a unit of a scenario costs."""

    unit: str
    allocations: float
    functions: dict  # `layer/file.c:function` to instructions

    @property
    def instructions(self):
        return sum(self.functions.values())


class _Reader:
    """One dump; see "Callgrind Format Specification" of valgrind's manual."""

    def __init__(self, homes):
        self.homes = homes
        self.names = {}  # (kind, number) to name; a number is spelt out where it is met first
        self.file = self.function = self.called_file = self.called = ""
        self.costs = collections.Counter()

    def _name(self, kind, number, name):
        kind = kind.removeprefix("c")[:2] if kind != "cob" else "ob"
        kind = "fl" if kind in ("fi", "fe") else kind
        if name is not None:
            self.names[kind, number] = name
        return self.names[kind, number]

    def _own(self):
        # A function that begins with something inlined is filed under the header that has it.
        header = not self.file.endswith(".c")
        found = OURS.search(self.homes.get(self.function, "") if header else self.file)
        return found and f"{found.group(1)}:{CLONE.sub('', self.function)}"

    def _position(self, kind, name):
        """Where the lines of costs that follow belong."""
        if kind == "fl":
            self.file = name
        elif kind == "fn":
            self.function = name
        elif kind in ("cfi", "cfl"):
            self.called_file = name
        elif kind == "cfn":
            self.called = name

    def read(self, lines):
        after_call = False
        for line in lines:
            named = NAMED.match(line)
            if named:
                kind = named.group(1)
                if kind == "fn":  # without a file of its own a call goes to the caller's
                    self.called_file = self.file
                self._position(kind, self._name(*named.groups()))
            elif line.startswith("calls="):
                after_call = True
            elif COSTS.match(line):
                self._cost(int(line.split()[1]), after_call)
                after_call = False
        return self.costs

    def _cost(self, count, after_call):
        own = self._own()
        if own and not after_call:
            self.costs[own] += count
        elif own and self.called_file.endswith(PLAIN):
            self.costs[f"{self.called.strip('_').removesuffix('_chk')} in {own}"] += count
        if after_call:
            self.called_file = self.file


def _homes(program):
    """{function: file}, of all whose name the program has once."""
    done = subprocess.run(["nm", "--line-numbers", "--defined-only", program], capture_output=True,
                          text=True, check=True)
    places = collections.defaultdict(list)
    for line in done.stdout.splitlines():
        symbol, _, place = line.partition("\t")
        places[symbol.split()[2]].append(place.rpartition(":")[0])
    return {name: found[0] for name, found in places.items() if len(found) == 1}


def _read(path, homes):
    with open(path, encoding="utf-8") as file:
        return _Reader(homes).read(line.rstrip("\n") for line in file)


def _per_unit(few, many, units):
    rest = {name: (many[name] - few[name]) / units for name in many.keys() | few.keys()}
    return {name: count for name, count in sorted(rest.items()) if count}


def run(program, scenarios=()):
    """(what the figures depend on, {scenario: Cost}, scenarios that this machine cannot run)."""
    if not shutil.which("valgrind"):
        raise CostError("valgrind is not installed (apt-get install valgrind)")
    with tempfile.TemporaryDirectory(prefix="culvert-cost-") as folder:
        dump = pathlib.Path(folder) / "dump"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--dump-before=cost_mark",
             f"--callgrind-out-file={dump}", str(program), *scenarios],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CostError(f"{program}: {done.stderr.strip()}")
        head, *lines = done.stdout.splitlines()
        homes = _homes(program)
        skipped = {line.split()[1] for line in lines if line.startswith("skipped ")}
        costs = {}
        for index, line in enumerate(line for line in lines if not line.startswith("skipped ")):
            name, few, many, few_blocks, many_blocks, _, unit = line.split(" ", 6)
            units = int(many) - int(few)
            # Each scenario marks its begin, its middle and its end; a dump tells what went before.
            parts = [_read(f"{dump}.{3 * index + part}", homes) for part in (2, 3)]
            costs[name] = Cost(unit, (int(many_blocks) - int(few_blocks)) / units,
                               _per_unit(*parts, units))
        return head.removeprefix("compiler "), costs, skipped
