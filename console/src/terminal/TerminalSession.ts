/** A terminal on the page and its connection, which comes back after a cut. What was written stays readable. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { reconnectDelay } from "~/live/backoff";
import { sockets } from "~/paths";
import { type Ending, mayHeal, noticeLine, TerminalConnection } from "./TerminalConnection";
import { terminalTheme } from "./theme";

export type TerminalState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "reconnecting"; attempt: number }
  | { kind: "ended"; ending: Ending };

const ATTEMPTS = 6;
const STEADY_MS = 10_000;

type Handlers = { onState: (state: TerminalState) => void; onLeave: () => void };

export class TerminalSession {
  readonly #screen: Terminal;
  readonly #fit = new FitAddon();
  readonly #observer: ResizeObserver;
  #connection: TerminalConnection | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    host: HTMLElement,
    private readonly id: string,
    private readonly handlers: Handlers,
  ) {
    this.#screen = new Terminal({ fontFamily: '"IBM Plex Mono", monospace', fontSize: 14, scrollback: 5_000, theme: terminalTheme });
    this.#screen.loadAddon(this.#fit);
    this.#screen.open(host);
    this.#fit.fit();
    this.#screen.onData((text) => this.#connection?.send(text));
    this.#screen.onBinary((text) => this.#connection?.sendBinary(text));
    this.#screen.onResize((size) => this.#connection?.resize(size));
    this.#screen.attachCustomKeyEventHandler((event) => this.#passesKey(event));
    this.#observer = new ResizeObserver(() => this.#fit.fit());
    this.#observer.observe(host);
  }

  /** Opens a shell; also after the last one has ended. */
  connect(attempt = 0): void {
    clearTimeout(this.#retry);
    this.#connection?.leave();
    this.handlers.onState(attempt === 0 ? { kind: "connecting" } : { kind: "reconnecting", attempt });
    let openedAt = Number.POSITIVE_INFINITY;
    const { cols, rows } = this.#screen;
    this.#connection = new TerminalConnection(sockets.terminal(this.id), { cols, rows }, {
      onOpened: () => {
        openedAt = Date.now();
        this.#screen.options.disableStdin = false;
        this.handlers.onState({ kind: "open" });
        this.#screen.focus();
      },
      onBytes: (bytes) => this.#screen.write(bytes),
      onNotice: (message) => this.#screen.write(noticeLine(message)),
      onEnded: (ending) => this.#ended(ending, Date.now() - openedAt > STEADY_MS ? 1 : attempt + 1),
    });
  }

  setScreenReader(on: boolean): void {
    this.#screen.options.screenReaderMode = on;
  }

  dispose(): void {
    this.#observer.disconnect();
    clearTimeout(this.#retry);
    this.#connection?.leave();
    this.#screen.dispose();
  }

  #ended(ending: Ending, next: number): void {
    this.#screen.options.disableStdin = true;
    if (!mayHeal(ending) || next > ATTEMPTS) {
      this.handlers.onState({ kind: "ended", ending });
      return;
    }
    this.handlers.onState({ kind: "reconnecting", attempt: next });
    this.#retry = setTimeout(() => this.connect(next), reconnectDelay(next));
  }

  /** All keys belong to the shell but the one that leads out of the terminal. */
  #passesKey(event: KeyboardEvent): boolean {
    if (!(event.ctrlKey && event.shiftKey && event.key === "Escape")) return true;
    if (event.type === "keydown") this.handlers.onLeave();
    return false;
  }
}
