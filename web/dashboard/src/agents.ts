import { kick } from "./api";
import { spark } from "./charts";
import { confirm } from "./dialog";
import { byId, el } from "./dom";
import { count, counted, milliseconds, rate, span } from "./format";
import type { Agent, Model } from "./model";
import { type Column, Table } from "./table";
import type { Status } from "./types";

const columns: Column<Agent>[] = [
  { id: "client", title: "Agent", text: (a) => a.client, sort: (a) => a.client.toLowerCase() },
  { id: "version", title: "Version", text: (a) => a.version ?? "–", sort: (a) => a.version ?? "" },
  { id: "address", title: "Address", text: (a) => a.address, sort: (a) => a.address },
  {
    id: "up",
    title: "Up for",
    numeric: true,
    text: (a) => span((Date.now() - a.since) / 1000),
    sort: (a) => -a.since,
  },
  {
    id: "rtt",
    title: "Round trip",
    numeric: true,
    text: (a) => milliseconds(a.rtt_ms),
    sort: (a) => a.rtt_ms ?? -1,
  },
  {
    id: "open",
    title: "Open",
    numeric: true,
    text: (a) => count(a.conns),
    sort: (a) => a.conns,
  },
  { id: "in", title: "From", numeric: true, text: (a) => rate(a.rateIn), sort: (a) => a.rateIn },
  { id: "out", title: "To", numeric: true, text: (a) => rate(a.rateOut), sort: (a) => a.rateOut },
  { id: "minute", title: "Last minute", mount: spark },
];

const command = el("code");

/* The command that brings a first agent here, as far as the page can know it. */
export function showCommand(status: Status): void {
  const [listen = ":8123"] = status.listen;
  const at = listen.lastIndexOf(":");
  const host = listen.slice(0, at);
  const anywhere = ["", "0.0.0.0", "[::]", "*"].includes(host);
  const scheme = status.tls ? "wss" : "ws";
  const server = listen.startsWith("unix:")
    ? "SERVER"
    : `${anywhere ? location.hostname : host}${listen.slice(at)}`;
  command.textContent = `culvert-agent --connect ${scheme}://${server}/connect --id laptop`;
}

export function makeAgents(model: Model): Table<Agent> {
  const copy = el("button", { type: "button" }, "Copy");
  copy.hidden = !navigator.clipboard; // a browser has none for a page that came without TLS
  copy.addEventListener("click", async () => {
    const done = navigator.clipboard.writeText(command.textContent ?? "");
    copy.textContent = await done.then(
      () => "Copied",
      () => "Not copied",
    );
  });
  return new Table<Agent>(byId("agents"), {
    id: "agents",
    title: "Agents",
    things: ["agent", "agents"],
    columns,
    sort: { column: "client", down: false },
    key: (agent) => agent.session,
    words: (agent) => `${agent.client} ${agent.version ?? ""} ${agent.address}`,
    action: {
      title: "Kick",
      label: (agent) => `Kick ${agent.client}`,
      run: (agent) => ask(agent, model),
    },
    none: el(
      "div",
      { class: "nobody" },
      el("p", {}, "No agent is connected yet. Run one beside the service that is to be reached:"),
      el("p", { class: "command" }, command, copy),
      el(
        "p",
        { class: "hint" },
        "With a token file it also needs --token-file, and the id that its token is for.",
      ),
    ),
  });
}

function ask(agent: Agent, model: Model): void {
  const sessions = [...model.agents.values()].filter((other) => other.client === agent.client);
  const conns = sessions.reduce((sum, session) => sum + session.conns, 0);
  confirm({
    title: `Kick ${agent.client}?`,
    text:
      `This ends ${sessions.length > 1 ? `its ${sessions.length} sessions` : "its session"} and ` +
      `${counted(conns, "open connection")}. The agent will connect again by itself.`,
    action: "Kick",
    run: () => kick(agent.client),
    done: `Ended the session of ${agent.client}.`,
  });
}
