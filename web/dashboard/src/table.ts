import { el, say, setText } from "./dom";
import { count } from "./format";

/* A table of any length that keeps only the rows in sight in the document. Rows are elements for a
 * key: while one is in sight its element stays its own, so that what is pointed at or focused never
 * becomes another row. */

export interface Column<T> {
  id: string;
  title: string;
  numeric?: boolean;
  text?(row: T): string;
  sort?(row: T): number | string;
  /* A column with more than text in it: fills a cell once, and returns what shows a row in it. */
  mount?(cell: HTMLElement): (row: T) => void;
}

export interface TableOptions<T> {
  id: string;
  title: string;
  things: [one: string, many: string];
  columns: Column<T>[];
  sort: { column: string; down: boolean };
  key(row: T): number;
  words(row: T): string /* that a filter looks through */;
  action: { title: string; label(row: T): string; run(row: T): void };
  none: Node /* shown when there is no row at all */;
}

interface Shown<T> {
  element: HTMLElement;
  show: ((row: T) => void)[];
  button: HTMLButtonElement;
  row: T;
}

const OVERSCAN = 4;
const HELD_WHILE = ":hover, :focus-visible";

export class Table<T> {
  private readonly grid: HTMLElement;
  private readonly head: HTMLElement;
  private readonly body: HTMLElement;
  private readonly counter = el("p", { class: "count" });
  private readonly filter: HTMLInputElement;
  private readonly unmatched = el(
    "p",
    { class: "none", hidden: true },
    "Nothing matches the filter.",
  );
  private readonly shown = new Map<number, Shown<T>>();
  private readonly spare: Shown<T>[] = [];
  private rows: T[] = [];
  private view: T[] = [];
  private active: number | undefined;
  private column: Column<T>;
  private down: boolean;
  private rowHeight = 40;
  private painting = 0;

  constructor(
    section: HTMLElement,
    private readonly options: TableOptions<T>,
  ) {
    const { id, title, things, columns, sort } = options;
    this.column = this.columnOf(sort.column);
    this.down = sort.down;
    this.filter = el("input", {
      id: `${id}-filter`,
      type: "search",
      placeholder: "Filter",
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": `Filter ${things[1]}`,
    });
    this.head = el("div", { class: "tr th", role: "row", "aria-rowindex": 1 });
    this.body = el("div", { class: "tbody", role: "rowgroup" });
    this.grid = el(
      "div",
      {
        id: `${id}-grid`,
        class: "grid",
        role: "grid",
        tabindex: 0,
        "aria-labelledby": `${id}-title`,
        "aria-describedby": `${id}-keys`,
        "aria-colcount": columns.length + 1,
      },
      el("div", { class: "thead", role: "rowgroup" }, this.head),
      this.body,
    );
    section.append(
      el(
        "div",
        { class: "head" },
        el("h2", { id: `${id}-title` }, title),
        this.counter,
        el("div", { class: "tools" }, this.makeSorter(), this.filter),
      ),
      el(
        "p",
        { id: `${id}-keys`, class: "sr" },
        `Arrow keys choose a row, Enter is: ${options.action.title}.`,
      ),
      this.grid,
      this.unmatched,
      options.none,
    );
    this.makeHead();
    this.listen();
  }

  set(rows: T[]): void {
    this.rows = rows;
    this.arrange(!this.grid.matches(HELD_WHILE));
  }

  private columnOf(id: string): Column<T> {
    const found = this.options.columns.find((column) => column.id === id);
    if (!found) throw new Error(`no column ${id}`);
    return found;
  }

  private makeHead(): void {
    for (const column of this.options.columns) {
      const cell = el("div", { class: `td ${column.id}`, role: "columnheader" });
      if (column.numeric) cell.classList.add("numeric");
      if (column.sort) {
        const button = el("button", { type: "button" }, column.title);
        button.addEventListener("click", () =>
          this.sortBy(column, column === this.column ? !this.down : !!column.numeric),
        );
        cell.append(button);
      } else cell.append(column.title);
      this.head.append(cell);
    }
    this.head.append(
      el(
        "div",
        { class: "td action", role: "columnheader" },
        el("span", { class: "sr" }, "Action"),
      ),
    );
    this.markSorted();
  }

  /* Where the head is hidden, on a phone. */
  private makeSorter(): HTMLSelectElement {
    const select = el("select", {
      class: "sorter",
      "aria-label": `Sort ${this.options.things[1]} by`,
    });
    for (const column of this.options.columns)
      if (column.sort) select.append(el("option", { value: column.id }, column.title));
    select.value = this.column.id;
    select.addEventListener("change", () => {
      const column = this.columnOf(select.value);
      this.sortBy(column, !!column.numeric);
    });
    return select;
  }

  private sortBy(column: Column<T>, down: boolean): void {
    this.column = column;
    this.down = down;
    this.markSorted();
    this.arrange(true);
    say(`Sorted by ${column.title}, ${down ? "descending" : "ascending"}.`);
  }

  private markSorted(): void {
    this.options.columns.forEach((column, i) => {
      const cell = this.head.children[i];
      if (column !== this.column) cell?.removeAttribute("aria-sort");
      else cell?.setAttribute("aria-sort", this.down ? "descending" : "ascending");
    });
  }

  private listen(): void {
    this.grid.addEventListener("scroll", () => this.paintSoon(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.onKey(event));
    this.filter.addEventListener("input", () => {
      this.arrange(true);
      say(`${this.counted()}.`);
    });
    new ResizeObserver(() => this.paintSoon()).observe(this.grid);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.target !== this.grid) return;
    const page = Math.max(1, Math.floor(this.room() / this.rowHeight) - 1);
    const at = this.view.findIndex((row) => this.options.key(row) === this.active);
    const last = this.view.length - 1;
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at < 0 ? last : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: last,
    };
    const to = moves[event.key];
    const row = this.view[at];
    if (to !== undefined && last >= 0) this.choose(Math.min(last, Math.max(0, to)));
    else if (event.key === "Enter" && row) this.options.action.run(row);
    else return;
    event.preventDefault();
  }

  private choose(index: number): void {
    const row = this.view[index];
    if (!row) return;
    this.active = this.options.key(row);
    const top = index * this.rowHeight;
    const room = this.room();
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + this.rowHeight > this.grid.scrollTop + room)
      this.grid.scrollTop = top + this.rowHeight - room;
    this.paint();
  }

  /* Height for rows. */
  private room(): number {
    return this.grid.clientHeight - this.head.offsetHeight;
  }

  private counted(): string {
    const [one, many] = this.options.things;
    const all = this.rows.length;
    const what = all === 1 ? one : many;
    return this.filter.value
      ? `${count(this.view.length)} of ${count(all)} ${what}`
      : `${count(all)} ${what}`;
  }

  /* What is to be seen, in which order; the order of before, as far as that goes, when not @sorted. */
  private arrange(sorted: boolean): void {
    const needle = this.filter.value.trim().toLowerCase();
    const { words, key } = this.options;
    const rows = needle
      ? this.rows.filter((row) => words(row).toLowerCase().includes(needle))
      : this.rows;
    this.view = sorted ? this.sorted(rows) : this.inOldOrder(rows);
    if (this.active !== undefined && !rows.some((row) => key(row) === this.active))
      this.active = undefined;
    setText(this.counter, this.counted());
    this.options.none.parentElement?.classList.toggle("empty", this.rows.length === 0);
    this.unmatched.hidden = this.rows.length === 0 || this.view.length > 0;
    this.grid.setAttribute("aria-rowcount", String(this.view.length + 1));
    this.paint();
  }

  private sorted(rows: T[]): T[] {
    const { sort } = this.column;
    if (!sort) return rows;
    const sign = this.down ? -1 : 1;
    return rows
      .map((row) => ({ row, by: sort(row), key: this.options.key(row) }))
      .sort((a, b) => (a.by < b.by ? -sign : a.by > b.by ? sign : a.key - b.key))
      .map(({ row }) => row);
  }

  private inOldOrder(rows: T[]): T[] {
    const { key } = this.options;
    const left = new Map(rows.map((row) => [key(row), row]));
    const kept: T[] = [];
    for (const old of this.view) {
      const row = left.get(key(old));
      if (row && left.delete(key(old))) kept.push(row);
    }
    return [...kept, ...left.values()];
  }

  private paintSoon(): void {
    this.painting ||= requestAnimationFrame(() => {
      this.painting = 0;
      this.paint();
    });
  }

  private paint(): void {
    const { key } = this.options;
    const style = getComputedStyle(this.grid);
    this.rowHeight = Number.parseFloat(style.getPropertyValue("--row-height")) || this.rowHeight;
    this.body.style.height = `${this.view.length * this.rowHeight}px`;
    const first = Math.max(0, Math.floor(this.grid.scrollTop / this.rowHeight) - OVERSCAN);
    const fit = Math.ceil(this.grid.clientHeight / this.rowHeight) + 2 * OVERSCAN;
    const seen = this.view.slice(first, first + fit);
    const wanted = new Set(seen.map(key));
    for (const [id, shown] of this.shown) if (!wanted.has(id)) this.release(id, shown);
    for (const [i, row] of seen.entries()) this.place(row, first + i);
    this.markActive();
  }

  private release(id: number, shown: Shown<T>): void {
    this.shown.delete(id);
    shown.element.remove();
    this.spare.push(shown);
  }

  private place(row: T, index: number): void {
    const id = this.options.key(row);
    const shown = this.shown.get(id) ?? this.spare.pop() ?? this.makeRow(row);
    if (!this.shown.has(id)) {
      this.shown.set(id, shown);
      shown.element.id = `${this.options.id}-${id}`;
      this.body.append(shown.element);
    }
    shown.row = row;
    shown.element.style.transform = `translateY(${index * this.rowHeight}px)`;
    shown.element.setAttribute("aria-rowindex", String(index + 2));
    shown.element.classList.toggle("odd", index % 2 === 1);
    for (const show of shown.show) show(row);
    shown.button.setAttribute("aria-label", this.options.action.label(row));
  }

  private makeRow(row: T): Shown<T> {
    const { action, columns } = this.options;
    const button = el("button", { type: "button", tabindex: -1 }, action.title);
    const element = el("div", { class: "tr", role: "row" });
    const shown: Shown<T> = { element, show: [], button, row };
    for (const column of columns) {
      const cell = el("div", { class: `td ${column.id}`, role: "gridcell" });
      if (column.numeric) cell.classList.add("numeric");
      element.append(cell);
      shown.show.push(column.mount?.(cell) ?? ((now) => fill(cell, column, now)));
    }
    element.append(el("div", { class: "td action", role: "gridcell" }, button));
    button.addEventListener("click", () => action.run(shown.row));
    element.addEventListener("click", () => {
      this.active = this.options.key(shown.row);
      this.markActive();
    });
    return shown;
  }

  private markActive(): void {
    for (const [id, { element }] of this.shown) {
      const chosen = id === this.active;
      element.classList.toggle("active", chosen);
      element.setAttribute("aria-selected", String(chosen));
    }
    const shown = this.active === undefined ? undefined : this.shown.get(this.active);
    if (shown) this.grid.setAttribute("aria-activedescendant", shown.element.id);
    else this.grid.removeAttribute("aria-activedescendant");
  }
}

/* What does not fit is there when pointed at. */
function fill<T>(cell: HTMLElement, column: Column<T>, row: T): void {
  const text = column.text?.(row) ?? "";
  if (cell.textContent === text) return;
  cell.textContent = text;
  if (!column.numeric) cell.title = text;
}
