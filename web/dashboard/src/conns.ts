import { cut } from "./api";
import { confirm } from "./dialog";
import { byId, el } from "./dom";
import { span } from "./format";
import type { Connection } from "./model";
import { type Column, Table } from "./table";

const columns: Column<Connection>[] = [
  { id: "number", title: "No.", numeric: true, text: (c) => String(c.id), sort: (c) => c.id },
  { id: "client", title: "Agent", text: (c) => c.client, sort: (c) => c.client.toLowerCase() },
  { id: "target", title: "Target", text: (c) => c.target, sort: (c) => c.target },
  { id: "visitor", title: "Visitor", text: (c) => c.visitor, sort: (c) => c.visitor },
  { id: "door", title: "Came in at", text: (c) => c.door, sort: (c) => c.door },
  {
    id: "up",
    title: "Open for",
    numeric: true,
    text: (c) => span((Date.now() - c.since) / 1000),
    sort: (c) => -c.since,
  },
];

export function makeConns(): Table<Connection> {
  return new Table<Connection>(byId("conns"), {
    id: "conns",
    title: "Connections",
    things: ["connection", "connections"],
    columns,
    sort: { column: "number", down: true },
    key: (conn) => conn.id,
    words: (conn) => `${conn.id} ${conn.client} ${conn.target} ${conn.visitor} ${conn.door}`,
    action: { title: "End", label: (conn) => `End connection ${conn.id}`, run: ask },
    none: el("p", { class: "none" }, "No visitor is being served."),
  });
}

function ask(conn: Connection): void {
  confirm({
    title: `End connection ${conn.id}?`,
    text: `${conn.visitor} is at ${conn.target}, through ${conn.client}. It is cut, not drained.`,
    action: "End it",
    run: () => cut(conn.id),
    done: `Ended connection ${conn.id}.`,
  });
}
