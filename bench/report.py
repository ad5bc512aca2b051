"""Figures of all rounds made into medians, ratios, goals, a table and JSON."""

import dataclasses
import math
import operator
import statistics

from measures import FIGURES

BASES = ("direct", "ssh", "nginx", "frp")
WIDTH = 120
NAME_WIDTH = 20
CELL_WIDTH = 20
PLACES_MAX = 3
OURS = ("culvert", "culvert-wss")
GAP = 2


@dataclasses.dataclass(frozen=True)
class Goal:
    """A bound on a figure of ours, or on its ratio to the first of @bases that was measured."""

    figure: str
    relation: str
    bound: float
    bases: tuple = ()
    tool: str = "culvert"


def _each(figures, relation, bound, bases=(), tool="culvert"):
    return tuple(Goal(figure, relation, bound, bases, tool) for figure in figures)


BULK = ("up1", "down1", "up8", "down8")
CPU = ("cpu_up_server", "cpu_up_agent", "cpu_down_server", "cpu_down_agent")

GOALS = (
    *_each(BULK, "at least", 0.60, ("direct",)),
    *_each(BULK, "at least", 0.45, ("direct",), "culvert-wss"),
    *_each(BULK, "more than", 1.0, ("ssh",), "culvert-wss"),
    Goal("c64_rate", "at least", 0.45, ("direct",)),
    Goal("c64_rate", "at least", 0.7, ("nginx",)),
    Goal("c64_p99", "at most", 3, ("direct",)),
    Goal("c1_p50", "at most", 1.3, ("nginx",)),
    Goal("close_rate", "at least", 0.35, ("direct",)),
    *_each(CPU, "at most", 0.55),
    *_each(CPU, "at most", 1.1, (), "culvert-wss"),
    Goal("hol_p99", "at most", 0.5, ("frp", "ssh")),
    Goal("idle_server", "at most", 5),
    Goal("idle_agent", "at most", 5),
    Goal("conn_server", "at most", 6),
    Goal("conn_agent", "at most", 3),
    Goal("agent_kib", "at most", 12),
    Goal("agent_kib", "at most", 40, (), "culvert-wss"),
    Goal("agent_joins", "at least", 3000),
    Goal("agent_joins", "at least", 500, (), "culvert-wss"),
)

HOLDS = {"at least": operator.ge, "more than": operator.gt, "at most": operator.le}


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
    ("c64 r/s (p99)", 14), ("close", 6), ("CPU s/GiB", 12), ("KiB/conn", 10), ("idle MB", 9),
    ("hol p50/p99", 12), ("agent", 11))

SUMMARY_NOTE = (
    "up, down: Gbit/s on 1 and 8 streams; r/s: requests a second (p50 in us, p99 in ms);",
    "close: short connections a second; CPU: server/agent for a GiB down, 1 stream;",
    "KiB/conn: what a held connection adds to server/agent; hol: ms of a small request while 4",
    "streams come down; agent: KiB an idle agent adds to the server, and how many a second of the",
    "server's CPU lets join. Compare within one run only.",
)


def _summary_row(results, tool):
    def of(figure):
        return results.median(tool, figure)

    return [tool, *(number(of(name)) for name in ("up1", "down1", "up8", "down8")),
            _with(of("c1_rate"), of("c1_p50")), _with(of("c64_rate"), _milli(of("c64_p99"))),
            number(of("close_rate"), 1), _pair(of("cpu_down_server"), of("cpu_down_agent"), 3),
            _pair(of("conn_server"), of("conn_agent")), _pair(of("idle_server"), of("idle_agent")),
            _pair(_milli(of("hol_p50")), _milli(of("hol_p99"))),
            _pair(of("agent_kib"), of("agent_joins"))]


def _line(cells, widths):
    rest = [f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:])]
    return (cells[0].ljust(widths[0]) + "".join(rest)).rstrip()


def as_table(head, rows):
    """Lines with columns as wide as what they hold; all but the first two stand to the right."""
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [(" " * GAP).join(cell.ljust(width) if column < 2 or column == len(head) - 1
                             else cell.rjust(width)
                             for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in rows]


def summary_table(results):
    """Medians, a row a tool."""
    widths = [width for _, width in SUMMARY_HEADS]
    lines = [f"Medians of {results.rounds} round{'s' if results.rounds > 1 else ''}",
             _line([head for head, _ in SUMMARY_HEADS], widths)]
    lines += [_line(_summary_row(results, tool), widths) for tool in results.tools]
    return lines + list(SUMMARY_NOTE)


def ratio_cell(found):
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
            cells = [ratio_cell(results.spread(tool, name, base)) for tool in shown]
            lines.append(_line([title, *cells], widths))
    return lines


def judge(results):
    """Each goal with what was found: holds, falls short, or not measured."""
    judged = []
    for goal in GOALS:
        base = next((name for name in goal.bases
                     if results.spread(goal.tool, goal.figure, name)), None)
        found = None
        if base or not goal.bases:
            found = results.spread(goal.tool, goal.figure, base)
        verdict = "not measured"
        if found:
            holds = HOLDS[goal.relation](found["median"], goal.bound)
            verdict = "holds" if holds else "FALLS SHORT"
        judged.append({"tool": goal.tool, "figure": goal.figure, "relation": goal.relation,
                       "bound": goal.bound, "base": base or " or ".join(goal.bases) or None,
                       "found": found, "verdict": verdict})
    return judged


def goal_lines(judged):
    """A line a goal that was measured, and how many were not."""
    found = [goal for goal in judged if goal["found"]]
    unmeasured = [f"not measured: {len(judged) - len(found)} of {len(judged)} goals"]
    if not found:
        return unmeasured
    rows = []
    for goal in found:
        figure = FIGURES[goal["figure"]]
        unit = f"x {goal['base']}" if goal["base"] else figure.unit
        rows.append([goal["tool"], figure.title.strip(),
                     f"{goal['relation']} {goal['bound']:g} {unit}", ratio_cell(goal["found"]),
                     goal["verdict"]])
    return ["Goals; found: median (min-max) over the rounds",
            *as_table(["", "", "goal", "found", ""], rows),
            *(unmeasured if len(found) < len(judged) else [])]


def text(results, judged):
    """All that goes to the terminal."""
    lines = summary_table(results)
    for base in BASES:
        lines += ratio_table(results, base)
    lines += [""] + goal_lines(judged)
    for failure in results.failures:
        lines.append("failed {tool}, {measure}, round {round}: {reason}".format(**failure))
    return "\n".join(lines)
