"""Figures of all rounds made into medians, ratios, goals, a table and JSON."""

import dataclasses
import math
import statistics

from measures import FIGURES

BASES = ("direct", "ssh", "nginx")
WIDTH = 120
NAME_WIDTH = 20
CELL_WIDTH = 20
PLACES_MAX = 3
SUBJECT = "culvert"


@dataclasses.dataclass(frozen=True)
class Goal:
    """A bound on a figure of ours, or on its ratio to @base where one is named."""

    figure: str
    relation: str
    bound: float
    base: str = None


GOALS = (
    Goal("up1", "at least", 1.25, "ssh"),
    Goal("down1", "at least", 1.25, "ssh"),
    Goal("c64_rate", "at least", 6, "ssh"),
    Goal("cpu_up_server", "at most", 0.7),
    Goal("cpu_up_agent", "at most", 0.7),
    Goal("cpu_down_server", "at most", 0.7),
    Goal("cpu_down_agent", "at most", 0.7),
    Goal("conn_server", "at most", 10),
    Goal("conn_agent", "at most", 10),
    Goal("agent_kib", "at most", 24),
)


def spread(values):
    """Minimum, median and maximum of what was measured; None when nothing was."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def ratios(values, base):
    """Round by round, since only two figures of one round may be compared."""
    return [value / other if value is not None and other else None
            for value, other in zip(values, base)]


class Results:
    """What each tool showed in each round."""

    def __init__(self, tools, rounds):
        self.tools = tools
        self.rounds = rounds
        self.values = {tool: {} for tool in tools}
        self.failures = []

    def add(self, tool, round_index, figures):
        for name, value in figures.items():
            self.values[tool].setdefault(name, [None] * self.rounds)[round_index] = value

    def fail(self, tool, round_index, measure, reason):
        self.failures.append({"tool": tool, "round": round_index + 1, "measure": measure,
                              "reason": reason})

    def spread(self, tool, figure, base=None):
        """The spread of a figure, or of its ratio to that of @base."""
        values = self.values.get(tool, {}).get(figure, [])
        if base:
            values = ratios(values, self.values.get(base, {}).get(figure, []))
        return spread(values)

    def median(self, tool, figure):
        found = self.spread(tool, figure)
        return found["median"] if found else None

    def as_dict(self):
        """Tool by tool, figure by figure: the rounds, their spread and the spread of the ratios."""
        out = {}
        for tool, figures in self.values.items():
            out[tool] = {}
            for name, values in figures.items():
                entry = {"rounds": values, **(spread(values) or {})}
                for base in BASES:
                    against = self.spread(tool, name, base)
                    if base != tool and against:
                        entry[f"to_{base}"] = against
                out[tool][name] = entry
        return out


def number(value, digits=3):
    """@value with about @digits significant digits, never in powers of ten."""
    if value is None:
        return "-"
    places = digits - 1 - math.floor(math.log10(abs(value))) if value else 1
    return f"{value:.{min(max(places, 0), PLACES_MAX)}f}"


def _pair(left, right, digits=2):
    if left is None and right is None:
        return "-"
    return f"{number(left, digits)}/{number(right, digits)}"


def _with(value, detail):
    return "-" if value is None else f"{value:.0f} ({number(detail, 2)})"


def _milli(value):
    return None if value is None else value / 1000


SUMMARY_HEADS = (
    ("", 12), ("up1", 6), ("down1", 6), ("up8", 6), ("down8", 6), ("c1 r/s (p50)", 14),
    ("c64 r/s (p99)", 14), ("close", 6), ("CPU s/GiB", 12), ("KiB/conn", 10), ("idle MiB", 9),
    ("hol p50/p99", 12), ("agent", 6))

SUMMARY_NOTE = (
    "up, down: Gbit/s on 1 and 8 streams; r/s: requests a second (p50 in us, p99 in ms);",
    "close: short connections a second; CPU: server/agent for a GiB down, 1 stream;",
    "KiB/conn: what a held connection adds to server/agent; hol: ms of a small request while 4",
    "streams come down; agent: KiB an idle agent adds to the server. Compare within one run only.",
)


def _summary_row(results, tool):
    def of(figure):
        return results.median(tool, figure)

    return [tool, *(number(of(name)) for name in ("up1", "down1", "up8", "down8")),
            _with(of("c1_rate"), of("c1_p50")), _with(of("c64_rate"), _milli(of("c64_p99"))),
            number(of("close_rate"), 1), _pair(of("cpu_down_server"), of("cpu_down_agent"), 3),
            _pair(of("conn_server"), of("conn_agent")), _pair(of("idle_server"), of("idle_agent")),
            _pair(_milli(of("hol_p50")), _milli(of("hol_p99"))), number(of("agent_kib"))]


def _line(cells, widths):
    rest = [f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:])]
    return (cells[0].ljust(widths[0]) + "".join(rest)).rstrip()


def summary_table(results):
    """Medians, a row a tool."""
    widths = [width for _, width in SUMMARY_HEADS]
    lines = [f"Medians of {results.rounds} round{'s' if results.rounds > 1 else ''}",
             _line([head for head, _ in SUMMARY_HEADS], widths)]
    lines += [_line(_summary_row(results, tool), widths) for tool in results.tools]
    return lines + list(SUMMARY_NOTE)


def _ratio_cell(found):
    if not found:
        return "-"
    if found["min"] == found["max"]:
        return number(found["median"])
    return f"{number(found['median'])} ({number(found['min'])}-{number(found['max'])})"


def ratio_table(results, base):
    """Ratios to @base, a row a figure, as many tools side by side as the width holds."""
    # A base that has had its table needs no column in the next.
    past = BASES[:BASES.index(base) + 1]
    others = [tool for tool in results.tools if tool not in past]
    rows = [name for name in FIGURES if results.spread(base, name)
            and any(results.spread(tool, name, base) for tool in others)]
    if not others or not rows:
        return []
    across = (WIDTH - NAME_WIDTH) // CELL_WIDTH
    lines = []
    for start in range(0, len(others), across):
        shown = others[start:start + across]
        widths = [NAME_WIDTH] + [CELL_WIDTH] * len(shown)
        lines += ["", f"Ratio to {base}: median (min-max) over the rounds; * = less is better",
                  _line(["", *shown], widths)]
        for name in rows:
            title = FIGURES[name].title + ("" if FIGURES[name].more_is_better else " *")
            cells = [_ratio_cell(results.spread(tool, name, base)) for tool in shown]
            lines.append(_line([title, *cells], widths))
    return lines


def judge(results):
    """Each goal with what was found: holds, falls short, or not measured."""
    judged = []
    for goal in GOALS:
        found = results.spread(SUBJECT, goal.figure, goal.base)
        if not found:
            verdict = "not measured"
        elif goal.relation == "at least":
            verdict = "holds" if found["median"] >= goal.bound else "falls short"
        else:
            verdict = "holds" if found["median"] <= goal.bound else "falls short"
        judged.append({**dataclasses.asdict(goal), "found": found, "verdict": verdict})
    return judged


def goal_lines(results, judged):
    """A line a goal; one in all when we did not take part."""
    if SUBJECT not in results.tools:
        return [f"goals: not judged without {SUBJECT}"]
    lines = []
    for goal in judged:
        figure = FIGURES[goal["figure"]]
        unit = f"x {goal['base']}" if goal["base"] else figure.unit
        found = _ratio_cell(goal["found"])
        lines.append(f"goal {figure.title}: {goal['relation']} {goal['bound']:g} {unit}, "
                     f"found {found}: {goal['verdict']}")
    return lines


def text(results, judged):
    """All that goes to the terminal."""
    lines = summary_table(results)
    for base in BASES:
        lines += ratio_table(results, base)
    lines += [""] + goal_lines(results, judged)
    for failure in results.failures:
        lines.append("failed {tool}, {measure}, round {round}: {reason}".format(**failure))
    return "\n".join(lines)
