import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, minutes, rate } from "./format";
import { type Agent, SAMPLES, type Totals } from "./model";
import { colour } from "./theme";

/* Both charts are uPlot's; colours come from the style sheet, and are read anew with the theme. */

const SPAN = 300; /* seconds that the chart of all shows */
const LEAST = 1024; /* bytes a second at the top of a scale, at least */
const FONT = "12px system-ui, sans-serif";

const palette = { in: "", out: "", line: "", text: "" };

export function readPalette(): void {
  palette.in = colour("--in");
  palette.out = colour("--out");
  palette.line = colour("--line");
  palette.text = colour("--muted");
}

const top = (max: number | null): number => Math.max(LEAST, (max ?? 0) * 1.1);

const lines = (width: number): uPlot.Series[] => [
  {},
  { stroke: () => palette.in, width, points: { show: false } },
  { stroke: () => palette.out, width, points: { show: false } },
];

/* What the pointer is at; undefined: now. */
export type Reading = { time: string; in: string; out: string } | undefined;

export class Traffic {
  private readonly plot: uPlot;

  constructor(place: HTMLElement, pointed: (reading: Reading) => void) {
    const axis = { stroke: () => palette.text, font: FONT, ticks: { show: false } };
    const grid = { stroke: () => palette.line, width: 1 };
    this.plot = new uPlot(
      {
        ...sizeOf(place),
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        scales: {
          x: { range: (_, __, max) => [max - SPAN, max] },
          y: { range: (_, __, max) => [0, top(max)] },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 32,
            gap: 10,
            incrs: [60, 120, 300],
            space: 50,
            values: times,
          },
          {
            ...axis,
            grid,
            size: 72,
            space: 32,
            splits: steps,
            values: (_, at) => at.map((v) => rate(v)),
          },
        ],
        series: lines(1.75),
        hooks: { setCursor: [(plot) => pointed(reading(plot))] },
      },
      [[], [], []],
      place,
    );
    new ResizeObserver(() => this.plot.setSize(sizeOf(place))).observe(place);
  }

  show(totals: Totals): void {
    this.plot.setData([totals.time, totals.in, totals.out]);
  }

  redraw(): void {
    this.plot.redraw(false, true);
  }
}

/* Round steps of powers of two: 0, 16, 32 KiB. */
function steps(_: uPlot, __: number, ___: number, max: number): number[] {
  const step = 2 ** Math.ceil(Math.log2(max / 4));
  const at: number[] = [];
  for (let value = 0; value <= max; value += step) at.push(value);
  return at;
}

const times = (_: uPlot, at: number[]): string[] =>
  at.map((seconds) => minutes(new Date(seconds * 1000)));

function reading(plot: uPlot): Reading {
  const at = plot.cursor.idx;
  const time = at === null || at === undefined ? undefined : plot.data[0][at];
  if (at === null || at === undefined || time === undefined) return undefined;
  const say = (value: number | null | undefined) =>
    value === null || value === undefined ? "–" : rate(value);
  return {
    time: clock(new Date(time * 1000)),
    in: say(plot.data[1]?.[at]),
    out: say(plot.data[2]?.[at]),
  };
}

function sizeOf(place: HTMLElement): { width: number; height: number } {
  return { width: Math.max(100, place.clientWidth), height: Math.max(80, place.clientHeight) };
}

const sparks = new Set<uPlot>();
const WIDTH = 88;
const HEIGHT = 28;
const indexes = Array.from({ length: SAMPLES }, (_, i) => i);

/* A sparkline in @cell: what shows an agent's last minute in it. */
export function spark(cell: HTMLElement): (agent: Agent) => void {
  const hidden = { show: false };
  const place = document.createElement("div");
  place.className = "spark";
  place.setAttribute("aria-hidden", "true");
  cell.append(place);
  const plot = new uPlot(
    {
      width: WIDTH,
      height: HEIGHT,
      padding: [2, 1, 2, 1],
      legend: hidden,
      cursor: hidden,
      axes: [hidden, hidden],
      scales: {
        x: { time: false, range: [0, SAMPLES - 1] },
        y: { range: (_, __, max) => [0, top(max)] },
      },
      series: lines(1.25),
    },
    [[], [], []],
    place,
  );
  sparks.add(plot);
  return (agent) => plot.setData([indexes, padded(agent.historyIn), padded(agent.historyOut)]);
}

function padded(history: number[]): (number | null)[] {
  return [...Array<null>(SAMPLES - history.length).fill(null), ...history];
}

export function redrawSparks(): void {
  for (const plot of sparks) plot.redraw(false, true);
}
