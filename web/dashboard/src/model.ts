import type { Client, Conn, Message, Peer, ServerEvent, Snapshot, Status } from "./types";

export const SAMPLES = 60; /* of a sparkline, one a document */
const TOTALS_KEPT = 300;
const EVENTS_KEPT = 256;

/* An agent's session, with what was seen of it. */
export interface Agent extends Client {
  since: number /* when it joined, by this page's clock, in milliseconds */;
  rateIn: number;
  rateOut: number;
  historyIn: number[];
  historyOut: number[];
}

export interface Connection extends Conn {
  since: number;
}

/* Seconds, and bytes a second; null where nothing was heard. */
export interface Totals {
  time: number[];
  in: (number | null)[];
  out: (number | null)[];
}

export class Model {
  status: Status | undefined;
  peers: Peer[] = [];
  readonly agents = new Map<number, Agent>();
  readonly conns = new Map<number, Connection>();
  readonly totals: Totals = { time: [], in: [], out: [] };
  events: ServerEvent[] = []; /* newest first */
  heardAt = 0;
  began = 0; /* when the server did, in seconds of its own clock: another server has another */
  rateIn = 0;
  rateOut = 0;
  private at = 0; /* of the last snapshot, by the server's clock */

  apply(message: Message, now: number): void {
    this.heardAt = now;
    if (message.type === "events") this.addEvents(message.events);
    else this.applySnapshot(message, now);
  }

  /* The link is gone: what comes next has no rate against what is here. */
  interrupted(now: number): void {
    this.at = 0;
    this.addTotals(now, null, null);
  }

  private applySnapshot(snapshot: Snapshot, now: number): void {
    const before = this.status;
    const seconds = this.at ? (snapshot.at_ms - this.at) / 1000 : 0;
    this.at = snapshot.at_ms;
    this.status = snapshot.status;
    this.peers = snapshot.peers;
    const began = snapshot.at_ms / 1000 - snapshot.status.uptime_seconds;
    if (Math.abs(began - this.began) > 1) {
      this.began = began;
      this.events = [];
    }
    if (before && seconds > 0) {
      this.rateIn = Math.max(0, snapshot.status.bytes_in - before.bytes_in) / seconds;
      this.rateOut = Math.max(0, snapshot.status.bytes_out - before.bytes_out) / seconds;
      this.addTotals(now, this.rateIn, this.rateOut);
    }
    this.applyClients(snapshot, now, seconds);
    this.applyConns(snapshot, now);
  }

  private applyClients({ type, clients }: Snapshot, now: number, seconds: number): void {
    const changes = new Map(clients.now.map((change) => [change[0], change]));
    const kept = type === "full" ? new Map(this.agents) : undefined;
    if (type === "full") this.agents.clear();
    for (const session of clients.gone) this.agents.delete(session);
    for (const agent of this.agents.values()) {
      const change = changes.get(agent.session);
      measure(agent, change?.[2] ?? agent.bytes_in, change?.[3] ?? agent.bytes_out, seconds);
      if (change) [, agent.conns, , , agent.rtt_ms] = change;
    }
    for (const client of clients.new)
      this.agents.set(client.session, made(client, kept, now, seconds));
  }

  private applyConns({ type, conns }: Snapshot, now: number): void {
    if (type === "full") this.conns.clear();
    for (const id of conns.gone) this.conns.delete(id);
    for (const conn of conns.new)
      this.conns.set(conn.id, { ...conn, since: now - conn.seconds * 1000 });
  }

  private addTotals(now: number, rateIn: number | null, rateOut: number | null): void {
    const { time } = this.totals;
    time.push(now / 1000);
    this.totals.in.push(rateIn);
    this.totals.out.push(rateOut);
    while (time.length > TOTALS_KEPT) {
      time.shift();
      this.totals.in.shift();
      this.totals.out.shift();
    }
  }

  private addEvents(events: ServerEvent[]): void {
    const last = this.events[0]?.number ?? 0;
    const first = events[0]?.number ?? 0;
    const known = first > last ? this.events : []; /* else it is another server, or told anew */
    this.events = [...events.toReversed(), ...known].slice(0, EVENTS_KEPT);
  }
}

function measure(agent: Agent, bytesIn: number, bytesOut: number, seconds: number): void {
  if (seconds > 0) {
    agent.rateIn = Math.max(0, bytesIn - agent.bytes_in) / seconds;
    agent.rateOut = Math.max(0, bytesOut - agent.bytes_out) / seconds;
    push(agent.historyIn, agent.rateIn);
    push(agent.historyOut, agent.rateOut);
  }
  agent.bytes_in = bytesIn;
  agent.bytes_out = bytesOut;
}

function push(history: number[], value: number): void {
  history.push(value);
  if (history.length > SAMPLES) history.shift();
}

/* When everything is told anew, what was seen of a session before is kept. */
function made(
  client: Client,
  kept: Map<number, Agent> | undefined,
  now: number,
  seconds: number,
): Agent {
  const since = now - client.seconds * 1000;
  const before = kept?.get(client.session);
  if (!before || before.client !== client.client || Math.abs(before.since - since) > 5000)
    return { ...client, since, rateIn: 0, rateOut: 0, historyIn: [], historyOut: [] };
  measure(before, client.bytes_in, client.bytes_out, seconds);
  return Object.assign(before, client);
}
