#!/usr/bin/env python3
"""Counts the instructions of the codec, the session and the manager, and compares with what they
were: what costs over 10 % more than in baseline.json fails. Needs the program `cost`:

    cmake --build --preset release --target cost

`guard.py --write` renews the baseline, `guard.py --self-test` shows that the guard can fail.
"""

import argparse
import json
import pathlib
import sys

import callgrind
import mutants

HERE = pathlib.Path(__file__).resolve().parent
BASELINE = HERE / "baseline.json"
BUILD = HERE.parents[1] / "build" / "release"
RENEW = "tests/cost/guard.py --write"
MOST = 0.10         # more than that is a failure, so much less a reason to renew the baseline
TOLD = 5            # functions that are named with a scenario that changed
KEPT_SHARE = 0.002  # of a scenario: what a function must have to be kept in the baseline


def grew(now, before):
    """By what share; what cost nothing before grows without bounds."""
    if before == 0:
        return float("inf") if now > 0 else 0.0
    return now / before - 1


def as_kept(cost):
    least = KEPT_SHARE * cost.instructions
    return {"unit": cost.unit, "instructions": round(cost.instructions, 2),
            "allocations": round(cost.allocations, 3),
            "functions": {name: round(count, 2) for name, count in cost.functions.items()
                          if abs(count) >= least}}


def share(growth):
    if growth == float("inf"):
        return "where there were none"
    return f"{abs(100 * growth):.1f} % {'more' if growth > 0 else 'less'}"


def changes(cost, kept):
    """The functions whose cost changed most, a line each."""
    before = kept["functions"]
    moved = {name: cost.functions.get(name, 0) - before.get(name, 0)
             for name in cost.functions.keys() | before.keys()}
    largest = sorted(moved, key=lambda name: (-abs(moved[name]), name))[:TOLD]
    least = KEPT_SHARE * kept["instructions"]
    for name in largest:
        if abs(moved[name]) > least:
            yield (f"    {moved[name]:+12,.1f}  {name}"
                   f"  ({before.get(name, 0):,.1f} -> {cost.functions.get(name, 0):,.1f})")


def judge(cost, kept):
    """(failed, warned, lines) of one scenario."""
    now, before = cost.instructions, kept["instructions"]
    growth = grew(now, before)
    blocks = grew(cost.allocations, kept["allocations"])
    failed, warned = max(growth, blocks) > MOST, min(growth, blocks) < -MOST
    lines = []
    if abs(growth) > MOST:
        lines.append(f"  {cost.unit}: {now:,.1f} instructions, {share(growth)} than {before:,.1f}")
    if abs(blocks) > MOST:
        lines.append(f"  {cost.unit}: {cost.allocations:,.2f} allocations, {share(blocks)}"
                     f" than {kept['allocations']:,.2f}")
    if lines:
        lines += changes(cost, kept)
    return failed, warned, lines


def compare(costs, kept):
    """(scenarios that fail, scenarios that cost less, lines); the baseline has to know them all."""
    failed, less, lines = [], [], []
    for name, cost in costs.items():
        if name not in kept:
            failed.append(name)
            lines.append(f"{name}: is not in the baseline")
            continue
        bad, good, told = judge(cost, kept[name])
        if bad:
            failed.append(name)
        elif good:
            less.append(name)
        if told:
            lines += [f"{name}: {'FAILED' if bad else 'less'}", *told]
    for name in kept.keys() - costs.keys():
        failed.append(name)
        lines.append(f"{name}: is in the baseline, and not measured any more")
    return failed, less, lines


def table(costs):
    for name, cost in costs.items():
        yield f"{name:26} {cost.instructions:14,.1f} {cost.allocations:8.2f}  {cost.unit}"


def write(about, costs):
    document = {"compiler": about, "scenarios": {name: as_kept(cost)
                                                 for name, cost in costs.items()}}
    BASELINE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"written: {BASELINE}")


def guard(program, scenarios, renew):
    about, costs, skipped = callgrind.run(program, scenarios)
    print(f"{'scenario':26} {'instructions':>14} {'blocks':>8}  a")
    print("\n".join(table(costs)))
    for name in sorted(skipped):
        print(f"{name:26} not here: this machine has no AVX2")
    if renew and skipped:
        raise callgrind.CostError("only a machine that runs all scenarios can renew the baseline")
    if renew:
        write(about, costs)
        return 0
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
    if baseline["compiler"] != about:
        print(f"cost: not judged: the baseline is of {baseline['compiler']}, this is {about}")
        return 0
    kept = {name: figures for name, figures in baseline["scenarios"].items()
            if name not in skipped and (not scenarios or name in scenarios)}
    failed, less, lines = compare(costs, kept)
    if lines:
        print("\n".join(lines))
    most = f"over {MOST * 100:.0f} %"
    if less:
        print(f"cost: {', '.join(less)}: {most} less. To keep that, renew the baseline: {RENEW}")
    if failed:
        print(f"cost: {', '.join(failed)}: FAILED, {most} more or not in the baseline.")
        print(f"Where that is worth it, renew the baseline by {RENEW}, and say why in the commit.")
        return 1
    print(f"cost: {len(costs)} scenarios, none {most} more than in the baseline")
    return 0


def self_test(build):
    """What is compared, on figures made up; then real mistakes, each of which has to fail."""
    kept = {"unit": "u", "instructions": 1000, "allocations": 1.0,
            "functions": {"a": 900, "b": 100}}
    cases = [  # instructions of a and b, allocations, failed, warned
        ((900, 100), 1.0, False, False),
        ((900, 199), 1.0, False, False),
        ((900, 201), 1.0, True, False),
        ((700, 100), 1.0, False, True),
        ((900, 100), 1.2, True, False),
        ((700, 100), 1.2, True, True),
    ]
    for (a, b), blocks, bad, good in cases:
        cost = callgrind.Cost("u", blocks, {"a": a, "b": b})
        failed, warned, lines = judge(cost, kept)
        assert (failed, warned) == (bad, good) and bool(lines) == (bad or good), (a, b, lines)
    grown = judge(callgrind.Cost("u", 1.0, {"a": 900, "b": 150, "c": 300}), kept)[2]
    assert "+300.0  c  (0.0 -> 300.0)" in grown[1] and "+50.0  b" in grown[2], grown
    one = callgrind.Cost("u", 1.0, {"a": 1000})
    assert compare({"new": one}, {})[0] == ["new"]
    assert compare({}, {"old": kept})[0] == ["old"]
    print(f"{len(cases) + 3} cases")
    return mutants.run_all(build, lambda program, name: callgrind.run(program, [name])[1][name],
                           lambda cost, before: judge(cost, as_kept(before)))


def main(argv):
    parser = argparse.ArgumentParser(prog="tests/cost/guard.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help="only these")
    parser.add_argument("--build", type=pathlib.Path, default=BUILD,
                        help="a release build (default build/release)")
    parser.add_argument("--write", action="store_true", help="renew the baseline")
    parser.add_argument("--self-test", action="store_true", help="show that it can fail")
    arguments = parser.parse_args(argv)
    if arguments.write and arguments.scenarios:
        parser.error("--write takes no scenarios: the baseline is renewed as a whole")
    try:
        if arguments.self_test:
            return self_test(arguments.build)
        return guard(arguments.build / "tests/cost/cost", arguments.scenarios, arguments.write)
    except callgrind.CostError as error:
        print(f"cost: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
