"""What a run left behind for later ones: one small file a release, and what changed since."""

import json

from measures import FIGURES
from report import OURS, as_table, ratio_cell

SIGNIFICANT = 4
SAME = 0.02
SPREAD = ("min", "median", "max")
ABOUT = ("version", "when", "release", "commit", "machine", "rounds", "window_seconds", "block",
         "neighbours_share")


class HistoryError(Exception):
    """A kept run that cannot be compared with."""


def _rounded(found):
    """A spread, or an entry that holds spreads, at the digits that a benchmark has."""
    if isinstance(found, dict):
        return {name: _rounded(value) for name, value in found.items() if name != "rounds"}
    return float(f"{found:.{SIGNIFICANT}g}") if isinstance(found, float) else found


def kept_text(found):
    """The JSON of a run for the history: spreads without the rounds, a line a figure."""
    lines = ["{"]
    for name in ABOUT:
        lines.append(f" {json.dumps(name)}: {json.dumps(found[name])},")
    units = {name: unit["unit"] for name, unit in found["units"].items()}
    lines += [f' "units": {json.dumps(units)},', ' "tools": {']
    tools = []
    for tool, figures in found["tools"].items():
        rows = [f"   {json.dumps(name)}: {json.dumps(_rounded(entry))}"
                for name, entry in figures.items()]
        tools.append(f"  {json.dumps(tool)}: {{\n" + ",\n".join(rows) + "\n  }")
    lines += [",\n".join(tools), " },", ' "goals": [']
    lines.append(",\n".join("  " + json.dumps(_rounded(goal)) for goal in found["goals"]))
    return "\n".join(lines + [" ]", "}"]) + "\n"


def read(path):
    """A run that was kept, or the JSON of any other run."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"tools": found["tools"], **{name: found[name] for name in ("when", "commit")}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HistoryError(f"{path} holds no run: {error}") from None


def _spread(found, tool, name, base):
    """The spread of a figure, or of its ratio to @base, as a run's JSON has it; None without."""
    entry = found["tools"].get(tool, {}).get(name, {})
    entry = entry.get(f"to_{base}", {}) if base else entry
    return {part: entry[part] for part in SPREAD} if "median" in entry else None


def _verdict(figure, now, then):
    """Whether we have changed, and by more than the rounds of one run differ."""
    if abs(now["median"] / then["median"] - 1) < SAME:
        return "the same"
    if now["min"] <= then["max"] and then["min"] <= now["max"]:
        return "within the spread"
    return "better" if (now["median"] > then["median"]) == figure.more_is_better else "worse"


def changes(found, kept):
    """Lines that show how our figures moved since the run @kept: ratios where the machine would
    matter, so that two runs on different days may be compared."""
    rows = []
    for tool in OURS:
        for name, figure in FIGURES.items():
            now = _spread(found, tool, name, figure.base)
            then = _spread(kept, tool, name, figure.base)
            if not now or not then or not then["median"]:
                continue
            unit = f"x {figure.base}" if figure.base else figure.unit
            change = 100 * (now["median"] / then["median"] - 1)
            rows.append([tool, figure.title.strip(), ratio_cell(then), ratio_cell(now), unit,
                         f"{change:+.0f} %", _verdict(figure, now, then)])
    if not rows:
        return ["nothing to compare with the kept run"]
    return [f"Since {kept['commit']} of {kept['when']}: median (min-max) of its rounds and of ours",
            *as_table(["", "", "then", "now", "", "change", ""], rows)]
