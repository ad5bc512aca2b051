import { byId, el, setText, svg } from "./dom";
import { counted } from "./format";
import type { Model } from "./model";
import type { Peer } from "./types";

/* This server and its peers, joined by lines: a picture, and the same as a list. */

const DRAWN_MAX = 8;
const LISTED_MAX = 40;
const STEP = 46;

/* As the API names the directory itself, and this server in it. */
const DIRECTORY = "(Redis)";
const SELF = "this server";

/* What is known of another server: that it has dialled us, that we dial it, that the directory has
 * it. */
interface Neighbour {
  id: string;
  in?: Peer;
  out?: Peer;
  directory?: Peer;
}

function neighbours(peers: Peer[]): Neighbour[] {
  const found = new Map<string, Neighbour>();
  for (const peer of peers) {
    if (peer.peer === DIRECTORY || peer.state === SELF) continue;
    const one = found.get(peer.peer) ?? { id: peer.peer };
    one[peer.direction] = peer;
    found.set(peer.peer, one);
  }
  return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

const isUp = (peer?: Peer): boolean => peer?.state === "up";

function stateOf({ in: incoming, out, directory }: Neighbour): "up" | "half" | "down" | "listed" {
  if (out && !isUp(out)) return isUp(incoming) ? "half" : "down";
  if (isUp(incoming) || isUp(out) || isUp(directory)) return "up";
  return directory ? "listed" : "down";
}

const agentsOf = (one: Neighbour): number | undefined => one.in?.clients ?? one.directory?.clients;

function wordsOf(one: Neighbour): string {
  const agents = agentsOf(one);
  const ways = [isUp(one.out) && "we dialled it", isUp(one.in) && "it dialled us"].filter(Boolean);
  const state = ways.join(", ") || (one.directory?.state ?? "not connected");
  return agents === undefined ? state : `${state}, ${counted(agents, "agent")}`;
}

function box(x: number, y: number, title: string, under: string, state: string): Element {
  return svg(
    "g",
    { class: `box ${state}`, transform: `translate(${x} ${y})` },
    svg("rect", { width: 128, height: 38, rx: 8 }),
    svg("circle", { cx: 15, cy: 19, r: 4 }),
    svg("text", { x: 27, y: 16 }, title.length > 15 ? `${title.slice(0, 14)}…` : title),
    svg("text", { x: 27, y: 30, class: "under" }, under),
  );
}

function picture(self: string, agents: number, peers: Neighbour[]): Element {
  const height = Math.max(1, peers.length) * STEP;
  const middle = height / 2;
  const drawing = svg("svg", {
    viewBox: `0 0 320 ${height}`,
    role: "img",
    "aria-labelledby": "map-title",
  });
  peers.forEach((peer, i) => {
    const y = i * STEP + STEP / 2;
    const path = `M132 ${middle} C 160 ${middle}, 162 ${y}, 190 ${y}`;
    drawing.append(svg("path", { d: path, class: `line ${stateOf(peer)}` }));
  });
  drawing.append(box(4, middle - 19, self, counted(agents, "agent"), "self"));
  peers.forEach((peer, i) => {
    const agents = agentsOf(peer);
    const under = agents === undefined ? stateOf(peer) : counted(agents, "agent");
    drawing.append(box(190, i * STEP + 4, peer.id, under, stateOf(peer)));
  });
  return drawing;
}

let drawn = "";

export function showMap(model: Model): void {
  const all = neighbours(model.peers);
  const self = model.status?.peer_id ?? "this server";
  const key = JSON.stringify([
    self,
    model.agents.size,
    all.map((one) => [one.id, stateOf(one), wordsOf(one)]),
  ]);
  if (key === drawn) return;
  drawn = key;
  setText(byId("map-count"), all.length ? counted(all.length, "peer") : "");
  const list = el("ul", { class: "peers" });
  for (const one of all.slice(0, LISTED_MAX))
    list.append(el("li", { class: stateOf(one) }, el("strong", {}, one.id), ` ${wordsOf(one)}`));
  if (all.length > LISTED_MAX) list.append(el("li", {}, `and ${all.length - LISTED_MAX} more`));
  const none = el(
    "p",
    { class: "hint" },
    "No peers. ",
    el("code", {}, "--peer"),
    " joins servers, so that each reaches the agents of all.",
  );
  byId("map").replaceChildren(
    picture(self, model.agents.size, all.slice(0, DRAWN_MAX)),
    all.length ? list : none,
  );
}
