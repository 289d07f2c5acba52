/** The events channel: follows the server's events, survives cuts without missing one, and says how it stands. */
import { reconnectDelay } from "./backoff";

export const EVENTS_PROTOCOL = "sublet.events.v1";

/** Why the server closed the channel. */
export const CLOSE = { goingAway: 1001, unauthenticated: 4401, forbidden: 4403, tooSlow: 4408, replayPassed: 4410 } as const;

export type LiveEvent = { id: string; type: string; time: string; subject: string; data: Record<string, unknown> };

/** `stopped`: the server will not have us, and trying again would not change that. */
export type LiveState = "connecting" | "live" | "reconnecting" | "stopped";

type Handlers = {
  onEvent: (event: LiveEvent) => void;
  onState: (state: LiveState) => void;
  /** Events may have been missed: whatever is shown must be fetched again. */
  onGap: () => void;
  onUnauthenticated: () => void;
};

export type OpenSocket = (url: string, protocol: string) => WebSocket;

const HEARTBEAT_MS = 20_000;
const SILENCE_MS = 45_000;

function parse(data: unknown): Record<string, unknown> | null {
  if (typeof data !== "string") return null;
  try {
    const found: unknown = JSON.parse(data);
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

export class EventStream {
  #socket: WebSocket | null = null;
  #cursor: string | null = null;
  #attempt = 0;
  #ended = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly url: string,
    private readonly handlers: Handlers,
    private readonly open: OpenSocket = (address, protocol) => new WebSocket(address, protocol),
    private readonly random: () => number = Math.random,
  ) {}

  start(): void {
    this.handlers.onState("connecting");
    this.#connect();
  }

  stop(): void {
    this.#ended = true;
    clearTimeout(this.#retry);
    this.#leave();
  }

  #connect(): void {
    const socket = this.open(this.url, EVENTS_PROTOCOL);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#opened(socket));
    socket.addEventListener("message", ({ data }) => this.#received(socket, data));
    socket.addEventListener("close", ({ code }) => this.#closed(socket, code));
  }

  #opened(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    socket.send(JSON.stringify({ after: this.#cursor }));
    this.#heartbeat = setInterval(() => socket.send(JSON.stringify({ type: "heartbeat" })), HEARTBEAT_MS);
    this.#listenForSilence();
    this.handlers.onState("live");
    // Without a cursor there is no telling what happened between the page's first fetch and now.
    if (this.#cursor === null) this.handlers.onGap();
  }

  #received(socket: WebSocket, data: unknown): void {
    if (socket !== this.#socket) return;
    this.#attempt = 0;
    this.#listenForSilence();
    const message = parse(data);
    if (message === null || typeof message.id !== "string" || typeof message.type !== "string") return;
    this.#cursor = message.id;
    this.handlers.onEvent(message as LiveEvent);
  }

  #closed(socket: WebSocket, code: number): void {
    if (socket !== this.#socket) return;
    this.#leave();
    if (this.#ended) return;
    if (code === CLOSE.unauthenticated || code === CLOSE.forbidden) {
      this.handlers.onState("stopped");
      if (code === CLOSE.unauthenticated) this.handlers.onUnauthenticated();
      return;
    }
    if (code === CLOSE.replayPassed) this.#cursor = null;
    this.handlers.onState("reconnecting");
    this.#retry = setTimeout(() => this.#connect(), reconnectDelay(this.#attempt, this.random));
    this.#attempt += 1;
  }

  /** A cut cable closes nothing by itself; without a heartbeat from the server the socket is given up. */
  #listenForSilence(): void {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => socket !== null && this.#closed(socket, 1006), SILENCE_MS);
  }

  #leave(): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }
}
