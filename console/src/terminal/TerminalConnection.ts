/** One shell over one WebSocket: bytes both ways as binary frames, control as JSON text. */

import { CLOSE } from "~/live/EventStream";

export const TERMINAL_PROTOCOL = "sublet.terminal.v1";

/** How a connection ended: by the shell, by an error that the server names, or by the network. */
export type Ending =
  | { kind: "exit"; status: number | null }
  | { kind: "error"; code: string; message: string; closed?: number }
  | { kind: "closed"; code: number; reason: string };

const NORMAL = 1000;
const POLICY = 1008;
const FINAL = new Set<number>([CLOSE.unauthenticated, CLOSE.forbidden, NORMAL, POLICY]);

/** Whether a cut may heal by itself; what the server decided does not. */
export function mayHeal(ending: Ending): boolean {
  if (ending.kind === "error") return ending.closed === CLOSE.goingAway;
  return ending.kind === "closed" && !FINAL.has(ending.code);
}

/** A line of its own between what programs write, in yellow; what would steer the terminal is taken out. */
export function noticeLine(message: string): string {
  return `\r\n\u001b[33m[Sublet] ${message.replace(/\p{Cc}/gu, "")}\u001b[0m\r\n`;
}

type Handlers = {
  onOpened: () => void;
  onBytes: (bytes: Uint8Array) => void;
  /** Something befell the work behind the terminal, which goes on. */
  onNotice: (message: string) => void;
  onEnded: (ending: Ending) => void;
};

type Size = { cols: number; rows: number };

const PING_MS = 20_000;

export class TerminalConnection {
  #socket: WebSocket;
  #ping: ReturnType<typeof setInterval> | undefined;
  #ending: Ending | null = null;
  #left = false;
  readonly #encoder = new TextEncoder();

  constructor(
    url: string,
    size: Size,
    private readonly handlers: Handlers,
    open: (url: string, protocol: string) => WebSocket = (address, protocol) => new WebSocket(address, protocol),
  ) {
    this.#socket = open(url, TERMINAL_PROTOCOL);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("open", () => {
      this.#control({ type: "open", ...size });
      this.#ping = setInterval(() => this.#control({ type: "ping" }), PING_MS);
    });
    this.#socket.addEventListener("message", ({ data }) => this.#received(data));
    this.#socket.addEventListener("close", ({ code, reason }) => this.#closed(code, reason));
  }

  send(text: string): void {
    this.#send(this.#encoder.encode(text));
  }

  /** Bytes that are no text, such as old mouse reports: each character is one byte. */
  sendBinary(text: string): void {
    this.#send(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  }

  resize({ cols, rows }: Size): void {
    this.#control({ type: "resize", cols, rows });
  }

  leave(): void {
    this.#left = true;
    clearInterval(this.#ping);
    this.#socket.close();
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }

  #control(message: Record<string, unknown>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #received(data: unknown): void {
    if (typeof data !== "string") {
      this.handlers.onBytes(new Uint8Array(data as ArrayBuffer));
      return;
    }
    const message = JSON.parse(data) as Record<string, unknown>;
    if (message.type === "opened") this.handlers.onOpened();
    if (message.type === "ping") this.#control({ type: "pong", id: message.id });
    if (message.type === "notice") this.handlers.onNotice(String(message.message));
    if (message.type === "exit") this.#ending = { kind: "exit", status: typeof message.status === "number" ? message.status : null };
    if (message.type === "error") this.#ending = { kind: "error", code: String(message.code), message: String(message.message ?? "") };
  }

  #closed(code: number, reason: string): void {
    clearInterval(this.#ping);
    if (this.#left) return;
    const ending = this.#ending ?? { kind: "closed", code, reason };
    this.handlers.onEnded(ending.kind === "error" ? { ...ending, closed: code } : ending);
  }
}
