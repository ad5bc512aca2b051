"""What every run stands on: the load generator built, limits raised, a target that listens."""

import contextlib
import os
import pathlib
import platform
import resource
import subprocess
import sys
import tempfile
import time

from measures import Load
from procs import TICKS_PER_SECOND, Process, free_port
from tools import Direct

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "bench"
RELEASE = ROOT / "build" / "release"
HISTORY = ROOT / "bench" / "history"
NEIGHBOURS_MAX = 0.05


def say(line):
    print(line, file=sys.stderr, flush=True)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


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


class Neighbours:
    """What other programs take of the machine while we measure: their work is in our figures."""

    def __init__(self):
        self.busy, self.all = self._machine()
        self.ours = self._ours()

    @staticmethod
    def _machine():
        """Busy seconds and all seconds of all cores so far."""
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(field) for field in file.readline().split()[1:9]]
        idle = ticks[3] + ticks[4]
        return (sum(ticks) - idle) / TICKS_PER_SECOND, sum(ticks) / TICKS_PER_SECOND

    @staticmethod
    def _ours():
        """Seconds of this process and of those that it has waited for."""
        return sum(os.times()[:4])

    def share(self):
        """Their share of all cores, once all that was started here has ended."""
        busy, total = self._machine()
        theirs = busy - self.busy - (self._ours() - self.ours)
        return round(max(theirs, 0) / max(total - self.all, 1 / TICKS_PER_SECOND), 4)


def quiet_or_not(share):
    """A line on how far the figures of a run can be trusted."""
    line = f"other programs took {100 * share:.1f} % of the machine meanwhile"
    return line + (": measure again when it is quiet" if share > NEIGHBOURS_MAX else "")


def version_and_commit(bin_folder):
    """What the server says it is: a checkout may have moved on since it was built."""
    done = subprocess.run([bin_folder / "culvert-server", "--version"], capture_output=True,
                          text=True, check=True)
    _, version, commit = done.stdout.split()[:3]
    return version, commit.strip("()")


# What the load generator does by the product's own rule: when an agent dials again.
PRODUCT = ("http/retry.c", "base/random.c")


def build_load(program=None):
    """Compiles the load generator, at @program, when its sources are newer."""
    sources = sorted((ROOT / "bench" / "load").glob("*.c"))
    sources += [ROOT / "src" / name for name in PRODUCT]
    headers = (ROOT / "bench" / "load").glob("*.h")
    program = program or BUILD / "load"
    newest = max(path.stat().st_mtime for path in [*sources, *headers])
    if not program.exists() or program.stat().st_mtime < newest:
        program.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall",
                        "-Wextra", "-I", ROOT / "src", *sources, "-lssl", "-lcrypto", "-o",
                        program], check=True)
    return program


def allow_many_files():
    """Tools inherit the limit; a held connection costs a proxy two descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def bed(seconds, block=None):
    """A target that answers, and a folder for files: yields the load and the folder."""
    program = build_load()
    with tempfile.TemporaryDirectory(prefix="culvert-bench-") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        load = Load(program, free_port(), seconds, block)
        target = Process(load.argv("target", "--port", load.target_port, *load.block_flags()),
                         folder / "target.log")
        try:
            Direct().start(load.target_port, folder)
            yield load, folder
        finally:
            target.stop()
