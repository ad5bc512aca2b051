"""Line plots as SVG, readable on light and on dark pages: panels with the same x axis."""

import dataclasses
import html
import math

WIDTH = 420    # of a panel, in pixels, with its labels
HEIGHT = 280
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 62, 44
ACROSS = 2
HEAD = 34      # above all panels
TICKS = 5
SAMPLE, LETTER, LEGEND_GAP = 27, 7, 14  # of the legend: a line, about a letter, what parts two

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.head { font-size: 15px; font-weight: 600; }
.title { font-size: 13px; font-weight: 600; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.axis { stroke: #59636e; stroke-width: 1; }
.line { fill: none; stroke-width: 2; }
.tunnel { stroke: #0969da; } circle.tunnel { fill: #0969da; }
.other { stroke: #bc4c00; } circle.other { fill: #bc4c00; }
.direct { stroke: #6e7781; } circle.direct { fill: #6e7781; }
.dashed { stroke-dasharray: 5 4; }
.page { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .grid { stroke: #3d444d; } .axis { stroke: #9198a1; }
  .tunnel { stroke: #58a6ff; } circle.tunnel { fill: #58a6ff; }
  .other { stroke: #f0883e; } circle.other { fill: #f0883e; }
  .direct { stroke: #9198a1; } circle.direct { fill: #9198a1; }
  .page { fill: #0d1117; }
}
"""


@dataclasses.dataclass(frozen=True)
class Series:
    """One line. @colour is a class of STYLE: tunnel, other or direct."""

    name: str
    colour: str
    values: list
    dashed: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """One plot: its y axis begins at 0, or is logarithmic."""

    title: str
    series: list
    log: bool = False


def short(value):
    """A number for an axis: 2.5k for 2500."""
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _step(top):
    """A round step that leads to @top in about TICKS steps."""
    unit = 10 ** math.floor(math.log10(top / TICKS))
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * TICKS >= top)


def _linear_ticks(values):
    step = _step(max(values))
    return [step * index for index in range(math.ceil(max(values) / step - 1e-9) + 1)]


def _log_ticks(values):
    """1, 2 and 5 of each decade, from the last below all values to the first above."""
    decades = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    ticks = [factor * 10.0 ** decade for decade in decades for factor in (1, 2, 5)]
    first = max(index for index, tick in enumerate(ticks) if tick <= min(values))
    last = min(index for index, tick in enumerate(ticks) if tick >= max(values))
    return ticks[first:last + 1]


def _share(value, low, high, log):
    """Where @value lies between @low and @high, 0 to 1."""
    if log:
        value, low, high = (math.log10(number) for number in (value, low, high))
    return (value - low) / (high - low)


class _Canvas:
    """One panel at its place: turns values into pixels, and keeps the elements."""

    def __init__(self, panel, points, left, top):
        self.panel = panel
        self.points = points
        self.left = left + LEFT
        self.right = left + WIDTH - RIGHT
        self.top = top + TOP
        self.bottom = top + HEIGHT - BOTTOM
        values = [value for series in panel.series for value in series.values]
        self.ticks = _log_ticks(values) if panel.log else _linear_ticks(values)
        self.elements = []

    def x(self, point):
        share = _share(point, self.points[0], self.points[-1], True)
        return self.left + share * (self.right - self.left)

    def y(self, value):
        share = _share(value, self.ticks[0], self.ticks[-1], self.panel.log)
        return self.bottom - share * (self.bottom - self.top)

    def text(self, x, y, words, anchor="start", kind=None):
        kind = f' class="{kind}"' if kind else ""
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>'
                             f"{html.escape(words)}</text>")

    def line(self, x1, y1, x2, y2, kind):
        self.elements.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def draw_axes(self):
        for tick in self.ticks:
            self.line(self.left, self.y(tick), self.right, self.y(tick), "grid")
            self.text(self.left - 6, self.y(tick) + 4, short(tick), "end")
        for point in self.points:
            self.line(self.x(point), self.bottom, self.x(point), self.bottom + 4, "axis")
            self.text(self.x(point), self.bottom + 18, short(point), "middle")
        self.line(self.left, self.bottom, self.right, self.bottom, "axis")
        self.text((self.left + self.right) / 2, self.bottom + 36, "open connections", "middle")

    def draw_series(self, series):
        kind = series.colour + (" dashed" if series.dashed else "")
        places = [(self.x(point), self.y(value))
                  for point, value in zip(self.points, series.values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        self.elements.append(f'<polyline points="{path}" class="line {kind}"/>')
        self.elements += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="{series.colour}"/>'
                          for x, y in places]

    def draw_legend(self):
        left = self.left
        for series in self.panel.series:
            kind = series.colour + (" dashed" if series.dashed else "")
            self.line(left, self.top - 14, left + 22, self.top - 14, f"line {kind}")
            self.text(left + SAMPLE, self.top - 10, series.name)
            left += SAMPLE + LETTER * len(series.name) + LEGEND_GAP

    def draw(self):
        self.text(self.left, self.top - 32, self.panel.title, kind="title")
        self.draw_axes()
        self.draw_legend()
        for series in self.panel.series:
            self.draw_series(series)
        return self.elements


def svg(title, panels, points):
    """The text of an SVG file: @panels over the same x axis of @points, which is logarithmic."""
    rows = math.ceil(len(panels) / ACROSS)
    width, height = ACROSS * WIDTH, HEAD + rows * HEIGHT
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
             f' width="{width}" height="{height}" role="img">',
             f"<title>{html.escape(title)}</title>", f"<style>{STYLE}</style>",
             f'<rect width="{width}" height="{height}" class="page"/>',
             f'<text x="{LEFT}" y="24" class="head">{html.escape(title)}</text>']
    for index, panel in enumerate(panels):
        lines += _Canvas(panel, points, index % ACROSS * WIDTH,
                         HEAD + index // ACROSS * HEIGHT).draw()
    return "\n".join(lines + ["</svg>"]) + "\n"
