import "./style.css";
import { makeAgents, showCommand } from "./agents";
import { drain, token } from "./api";
import { type Reading, readPalette, redrawSparks, Traffic } from "./charts";
import { makeConns } from "./conns";
import { askToken, confirm } from "./dialog";
import { byId, setText } from "./dom";
import { showEvents } from "./events";
import { bytes, clock, count, counted, rate, span } from "./format";
import { Link, type LinkState } from "./link";
import { showMap } from "./map";
import { Model } from "./model";
import { startTheme } from "./theme";

const model = new Model();
const agents = makeAgents(model);
const conns = makeConns();
const link = new Link({ message: hear, state: enter }, token.get);
let state: LinkState = "connecting";
let pointed: Reading;
let wanted = false; /* a frame is to be drawn */

readPalette();
const traffic = new Traffic(byId("traffic"), (reading) => {
  pointed = reading;
  showLegend();
});

const WORDS: Record<LinkState, string> = {
  connecting: "Connecting",
  live: "Live",
  stale: "Stale",
  lost: "Disconnected",
  full: "Disconnected",
  token: "Signed out",
};

function hear(message: Parameters<Model["apply"]>[0]): void {
  model.apply(message, Date.now());
  drawSoon();
}

/* Not while nobody looks: browsers give no frames to pages that are hidden. */
function drawSoon(): void {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => {
    wanted = false;
    draw();
  });
}

function draw(): void {
  const { status } = model;
  showEvents(model);
  if (!status) return;
  showCommand(status);
  setText(byId("about"), `${status.peer_id ?? location.host} · ${status.version}`);
  setText(byId("figure-agents"), count(model.agents.size));
  setText(byId("figure-conns"), count(status.conns));
  setText(byId("figure-in"), rate(model.rateIn));
  setText(byId("figure-out"), rate(model.rateOut));
  setText(byId("figure-held"), bytes(status.queue_bytes));
  setText(byId("figure-up"), span(status.uptime_seconds));
  document.title = `${count(model.agents.size)} agents, ${count(status.conns)} open · Culvert`;
  agents.set([...model.agents.values()]);
  conns.set([...model.conns.values()]);
  traffic.show(model.totals);
  showMap(model);
  showState();
  if (!pointed) showLegend();
}

function showLegend(): void {
  const [incoming, outgoing] = document.querySelectorAll(".legend span");
  if (!incoming || !outgoing) return;
  setText(incoming, pointed ? `${pointed.time} · from ${pointed.in}` : "From agents");
  setText(outgoing, pointed ? `to ${pointed.out}` : "To agents");
}

function showState(): void {
  const draining = state === "live" && model.status?.draining;
  byId("state").dataset.state = draining ? "draining" : state;
  setText(byId("state-text"), draining ? "Draining" : WORDS[state]);
  byId<HTMLButtonElement>("drain").disabled = state !== "live" || !!draining;
  document.body.classList.toggle("old", state !== "live" && state !== "connecting");
  showNotice();
}

const REASONS: Partial<Record<LinkState, string>> = {
  stale: "The server has gone quiet.",
  lost: "The connection to the server is lost.",
  full: "The server has as many watchers as it takes.",
  token: "An admin token is needed.",
};

function showNotice(): void {
  const notice = byId("notice");
  const reason = REASONS[state];
  notice.hidden = !reason;
  if (!reason) return;
  const since = model.heardAt
    ? ` Everything below is as of ${clock(new Date(model.heardAt))}.`
    : " There is nothing to show yet.";
  setText(byId("notice-text"), reason + since);
  byId("retry").hidden = state === "stale";
  countDown();
}

/* Not in the text of the notice, which is read aloud whenever it changes. */
function countDown(): void {
  const left = Math.ceil((link.retryAt - Date.now()) / 1000);
  const waits = (state === "lost" || state === "full") && left > 0;
  setText(byId("retry"), state === "token" ? "Sign in" : waits ? `Try now (${left} s)` : "Try now");
}

function enter(now: LinkState): void {
  const was = state;
  state = now;
  if (was === "live" && now !== "stale") model.interrupted(Date.now());
  showState();
  if (now === "token") askToken(() => link.open());
}

byId("retry").addEventListener("click", () => {
  if (state === "token") askToken(() => link.open());
  else link.open();
});

byId("drain").addEventListener("click", () => {
  confirm({
    title: "Drain this server?",
    text:
      `It takes no more agents and visitors from now on, lets ` +
      `${counted(model.status?.conns ?? 0, "open connection")} end, and stops. ` +
      "There is no way back but to start it again.",
    action: "Drain",
    run: drain,
    done: "The server takes no more work, and stops when what runs has ended.",
  });
});

startTheme(() => {
  readPalette();
  traffic.redraw();
  redrawSparks();
});
window.setInterval(countDown, 1000);
link.open();
