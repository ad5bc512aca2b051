import type { Message } from "./types";

/* The one WebSocket: opened again for ever, and never believed longer than it speaks. */

const PATH = "/api/v1/live";
const SILENCE_STALE = 4000; /* milliseconds; the server speaks each second */
const SILENCE_DEAD = 10000;
const RETRY_FIRST = 500;
const RETRY_MAX = 10000;
const CLOSE_TOKEN = 4401;
const CLOSE_FULL = 1013;

export type LinkState = "connecting" | "live" | "stale" | "lost" | "full" | "token";

export interface LinkOwner {
  message(message: Message): void;
  state(state: LinkState): void;
}

export class Link {
  retryAt = 0; /* when it tries again, while it is lost */
  private socket: WebSocket | undefined;
  private tries = 0;
  private heardAt = 0;
  private now: LinkState = "connecting";
  private timer = 0;

  constructor(
    private readonly owner: LinkOwner,
    private readonly token: () => string,
  ) {
    window.setInterval(() => this.look(), 1000);
  }

  open(): void {
    window.clearTimeout(this.timer);
    this.drop();
    const url = new URL(PATH, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    this.heardAt = performance.now();
    if (this.now !== "lost" && this.now !== "full") this.enter("connecting");
    socket.onopen = () => socket.send(JSON.stringify({ token: this.token() }));
    socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    socket.onclose = (event) => this.closed(event.code);
  }

  private hear(message: Message): void {
    this.heardAt = performance.now();
    this.tries = 0;
    this.enter("live");
    this.owner.message(message);
  }

  private closed(code: number): void {
    this.socket = undefined;
    if (code === CLOSE_TOKEN) {
      this.enter("token");
      return;
    }
    const bound = Math.min(RETRY_MAX, RETRY_FIRST * 2 ** this.tries++);
    const wait = bound * (0.5 + Math.random() / 2);
    this.retryAt = Date.now() + wait;
    this.timer = window.setTimeout(() => this.open(), wait);
    this.enter(code === CLOSE_FULL ? "full" : "lost");
  }

  private look(): void {
    const silence = performance.now() - this.heardAt;
    if (!this.socket) return;
    if (silence > SILENCE_DEAD) {
      this.drop();
      this.closed(0);
    } else if (this.now === "live" && silence > SILENCE_STALE) {
      this.enter("stale");
    }
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private enter(state: LinkState): void {
    const changed = state !== this.now;
    this.now = state;
    if (changed || state === "token") this.owner.state(state);
  }
}
