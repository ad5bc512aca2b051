#!/usr/bin/env python3
"""Checks that the simulator can catch mistakes: builds each mutant of mutants.py, and runs seeds
until one fails.

usage: run-mutants.py SOURCE_DIR BUILD_DIR [--seeds N] [--only NAME]

0: every mutant was caught. 1: one was not, or does not apply or compile any more.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

from mutants import DIRECTORY_MUTANTS, MESH_MUTANTS, MUTANTS

LAYERS = ("base", "wire", "ws", "conn", "session", "manager", "rendezvous")
CC = os.environ.get("CC", "cc")
FLAGS = "-std=c17 -O1 -D_GNU_SOURCE -DHASH_NONFATAL_OOM=1 -fno-strict-aliasing -w".split()
SECONDS = 120  # for the seeds of one mutant


def sources(root):
    found = [path for layer in LAYERS for path in sorted((root / "src" / layer).glob("*.c"))]
    found += sorted((root / "tests/sim").glob("*.c"))
    support = [root / f"tests/support/{name}.c" for name in ("test_alloc", "redis_model")]
    net = [root / f"src/net/{name}.c" for name in ("link", "ending")]
    return found + net + support


def compile_one(root, source, text_from, target):
    """Compiles @text_from as if it stood at @source."""
    folders = (root / "src", root / "include", root / "tests", source.parent)
    includes = [f"-I{folder}" for folder in folders]
    subprocess.run([CC, *FLAGS, *includes, "-c", "-o", target, text_from], check=True)


def build_base(root, build, pool):
    objects = {}
    for source in sources(root):
        relative = source.relative_to(root)
        objects[str(relative)] = build / "base" / (str(relative).replace("/", "_") + ".o")
    jobs = [
        pool.submit(compile_one, root, root / key, root / key, path)
        for key, path in objects.items()
    ]
    for job in jobs:
        job.result()
    return objects


def kind_of(mutant):
    """The option of `sim` for the worlds that can catch it."""
    if mutant in MESH_MUTANTS:
        return ["--mesh"]
    if mutant in DIRECTORY_MUTANTS:
        return ["--directory"]
    return ["--rooms"] if mutant[1].startswith("src/rendezvous/") else []


def run_mutant(root, build, objects, mutant, seeds):
    """The seed that catches it (an int), or why none does (text)."""
    name, file, text, replacement = mutant
    original = (root / file).read_text()
    if original.count(text) != 1:
        return f"does not apply: its text stands {original.count(text)} times in {file}"
    here = build / name
    here.mkdir()
    changed = here / pathlib.Path(file).name
    changed.write_text(original.replace(text, replacement))
    compile_one(root, root / file, changed, here / "mutant.o")
    linked = [here / "mutant.o" if key == file else path for key, path in objects.items()]
    subprocess.run([CC, "-o", here / "sim", *linked], check=True)
    return first_failing([here / "sim", *kind_of(mutant), "--seeds", str(seeds)], seeds)


def first_failing(command, seeds):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"not caught in {SECONDS} s"
    found = re.search(r"^(seed (\d+), .*)$", done.stderr, re.M)
    if found:
        return int(found.group(2)), found.group(1)
    if done.returncode < 0:
        return 0, f"ended by signal {-done.returncode}"
    return f"not caught by {seeds} seeds"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=3000)
    parser.add_argument("--only")
    args = parser.parse_args()
    root, build = args.source.resolve(), args.build.resolve()
    shutil.rmtree(build, ignore_errors=True)
    (build / "base").mkdir(parents=True)
    chosen = [m for m in MUTANTS + MESH_MUTANTS + DIRECTORY_MUTANTS if args.only in (None, m[0])]
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        objects = build_base(root, build, pool)
        work = [pool.submit(run_mutant, root, build, objects, m, args.seeds) for m in chosen]
        for mutant, future in zip(chosen, work):
            result = future.result()
            missed += isinstance(result, str)
            verdict = f"NOT CAUGHT: {result}" if isinstance(result, str) else result[1]
            print(f"{mutant[0]:36} {verdict}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} mutants caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
