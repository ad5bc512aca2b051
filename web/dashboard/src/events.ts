import { byId, el, setText } from "./dom";
import { clock, counted } from "./format";
import type { Model } from "./model";
import type { ServerEvent } from "./types";

/* What happened, newest first. */

const SHOWN_MAX = 100;

function row(event: ServerEvent): HTMLLIElement {
  const time = new Date(event.time * 1000);
  return el(
    "li",
    { "data-number": event.number },
    el("time", { datetime: time.toISOString() }, clock(time)),
    el("span", { class: `kind ${event.kind}` }, event.kind),
    el("span", { class: "what" }, el("strong", {}, event.client), ` ${event.text}`),
  );
}

let began = 0; /* the server whose events are in the list */

export function showEvents(model: Model): void {
  const list = byId("events");
  const events = model.events.slice(0, SHOWN_MAX);
  if (began !== model.began) list.replaceChildren();
  began = model.began;
  const newest = Number(list.firstElementChild?.getAttribute("data-number") ?? 0);
  list.prepend(...events.filter((event) => event.number > newest).map(row));
  while (list.children.length > SHOWN_MAX) list.lastElementChild?.remove();
  byId("events-log").hidden = events.length === 0;
  byId("events-none").hidden = events.length > 0;
  setText(byId("events-count"), events.length ? counted(model.events.length, "event") : "");
}
