import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Ending, mayHeal, noticeLine, TERMINAL_PROTOCOL, TerminalConnection } from "./TerminalConnection";

class FakeSocket extends EventTarget {
  binaryType = "blob";
  readyState: number = WebSocket.OPEN;
  sent: (string | Uint8Array)[] = [];
  send(frame: string | Uint8Array) {
    this.sent.push(frame);
  }
  close() {
    this.readyState = WebSocket.CLOSED;
  }
  says(data: unknown) {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
  drops(code: number) {
    this.dispatchEvent(new CloseEvent("close", { code, reason: "" }));
  }
}

function connected() {
  const socket = new FakeSocket();
  const written: string[] = [];
  const notices: string[] = [];
  const endings: Ending[] = [];
  const opened = vi.fn();
  let protocol = "";
  const connection = new TerminalConnection(
    "ws://console.test/terminal",
    { cols: 80, rows: 24 },
    { onOpened: opened, onBytes: (bytes) => written.push(new TextDecoder().decode(bytes)), onNotice: (message) => notices.push(message), onEnded: (ending) => endings.push(ending) },
    (_url, asked) => {
      protocol = asked;
      return socket as unknown as WebSocket;
    },
  );
  socket.dispatchEvent(new Event("open"));
  return { socket, connection, written, notices, endings, opened, protocol };
}

const bytes = (text: string) => new TextEncoder().encode(text).buffer;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("TerminalConnection", () => {
  test("opens with the size of the screen, in the protocol's name", () => {
    const { socket, protocol, opened } = connected();
    expect(protocol).toBe(TERMINAL_PROTOCOL);
    expect(socket.binaryType).toBe("arraybuffer");
    expect(socket.sent).toEqual(['{"type":"open","cols":80,"rows":24}']);
    socket.says('{"type":"opened","session":"ts_1"}');
    expect(opened).toHaveBeenCalledOnce();
  });

  test("says what befell the work behind it, and goes on", () => {
    const { socket, notices, endings } = connected();
    socket.says('{"type":"notice","code":"out_of_memory","message":"Out of memory."}');
    expect(notices).toEqual(["Out of memory."]);
    expect(endings).toEqual([]);
  });

  test("shows that as a line of its own, which steers nothing", () => {
    expect(noticeLine("Out of \u001b[2Jmemory.\n")).toBe("\r\n\u001b[33m[Sublet] Out of [2Jmemory.\u001b[0m\r\n");
  });

  test("carries bytes both ways, and control as text", () => {
    const { socket, connection, written } = connected();
    socket.says(bytes("$ "));
    connection.send("ls ü\r");
    connection.sendBinary("\x1b[M\xff");
    connection.resize({ cols: 100, rows: 30 });
    expect(written).toEqual(["$ "]);
    expect(socket.sent[1]).toEqual(new TextEncoder().encode("ls ü\r"));
    expect(socket.sent[2]).toEqual(new Uint8Array([0x1b, 0x5b, 0x4d, 0xff]));
    expect(socket.sent[3]).toBe('{"type":"resize","cols":100,"rows":30}');
  });

  test("answers a ping, and sends its own", () => {
    const { socket } = connected();
    socket.says('{"type":"ping","id":"p7"}');
    vi.advanceTimersByTime(20_000);
    expect(socket.sent.slice(1)).toEqual(['{"type":"pong","id":"p7"}', '{"type":"ping"}']);
  });

  test.each([
    ['{"type":"exit","status":3}', { kind: "exit", status: 3 }],
    ['{"type":"error","code":"not_active","message":"It has ended."}', { kind: "error", code: "not_active", message: "It has ended.", closed: 1000 }],
  ])("ends as the server said: %s", (frame, ending) => {
    const { socket, endings } = connected();
    socket.says(frame);
    socket.drops(1000);
    expect(endings).toEqual([ending]);
  });

  test("tells nobody when it was left on purpose", () => {
    const { socket, connection, endings } = connected();
    connection.leave();
    socket.drops(1000);
    connection.send("x");
    expect(endings).toEqual([]);
    expect(socket.sent).toHaveLength(1);
  });
});

const closed = (code: number): Ending => ({ kind: "closed", code, reason: "" });

describe("a cut connection", () => {
  test.each([1001, 1006, 1011, 4408])("heals after %d", (code) => expect(mayHeal(closed(code))).toBe(true));
  test.each([1000, 1008, 4401, 4403])("does not heal after %d", (code) => expect(mayHeal(closed(code))).toBe(false));
  test("heals when the server says that it restarts", () =>
    expect(mayHeal({ kind: "error", code: "going_away", message: "", closed: 1001 })).toBe(true));
  test("does not heal after another refusal", () =>
    expect(mayHeal({ kind: "error", code: "too_many_terminals", message: "", closed: 4429 })).toBe(false));
  test("does not heal after the shell's end", () => expect(mayHeal({ kind: "exit", status: 0 })).toBe(false));
});
