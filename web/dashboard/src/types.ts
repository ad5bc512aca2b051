/* What the server says at /api/v1/live; docs/openapi.yaml has the same in words. */

export interface Status {
  name: string;
  version: string;
  commit: string;
  uptime_seconds: number;
  threads: number;
  listen: string[];
  tls: boolean;
  peer_id: string | null;
  sessions: number;
  conns: number;
  bytes_in: number;
  bytes_out: number;
  queue_bytes: number;
  draining: boolean;
}

export interface Client {
  client: string;
  session: number;
  address: string;
  version: string | null;
  culvert: boolean;
  seconds: number;
  rtt_ms: number | null;
  conns: number;
  bytes_in: number;
  bytes_out: number;
}

export interface Conn {
  id: number;
  client: string;
  door: string;
  visitor: string;
  target: string;
  seconds: number;
}

export interface Peer {
  peer: string;
  direction: "in" | "out" | "directory";
  address: string;
  state: string /* "up", "down", or what the directory says */;
  clients?: number;
  seconds?: number;
}

export interface ServerEvent {
  number: number;
  time: number;
  kind: string;
  client: string;
  text: string;
}

/* session, conns, bytes_in, bytes_out, rtt_ms */
export type Change = [number, number, number, number, number | null];

export interface Snapshot {
  type: "full" | "delta";
  at_ms: number;
  status: Status;
  peers: Peer[];
  clients: { new: Client[]; now: Change[]; gone: number[] };
  conns: { new: Conn[]; gone: number[] };
}

export interface Events {
  type: "events";
  events: ServerEvent[];
}

export type Message = Snapshot | Events;
