import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { reconnectDelay } from "./backoff";
import { EVENTS_PROTOCOL, EventStream, type LiveEvent, type LiveState } from "./EventStream";

class FakeSocket extends EventTarget {
  sent: unknown[] = [];
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.dispatchEvent(new Event("closed by us"));
  }
  opens() {
    this.dispatchEvent(new Event("open"));
  }
  says(message: unknown) {
    this.dispatchEvent(new MessageEvent("message", { data: typeof message === "string" ? message : JSON.stringify(message) }));
  }
  drops(code: number) {
    this.dispatchEvent(new CloseEvent("close", { code }));
  }
}

function started() {
  const sockets: FakeSocket[] = [];
  const protocols: string[] = [];
  const events: LiveEvent[] = [];
  const states: LiveState[] = [];
  const gaps = vi.fn();
  const unauthenticated = vi.fn();
  const stream = new EventStream(
    "ws://console.test/api/v1/events",
    { onEvent: (event) => events.push(event), onState: (state) => states.push(state), onGap: gaps, onUnauthenticated: unauthenticated },
    (_url, protocol) => {
      protocols.push(protocol);
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    () => 0.5,
  );
  stream.start();
  const socket = (index: number) => sockets[index] as FakeSocket;
  return { stream, socket, sockets, protocols, events, states, gaps, unauthenticated };
}

const event = (id: string) => ({ id, type: "allocation.active", time: "2026-01-01T00:00:00Z", subject: "al_1", data: {} });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("EventStream", () => {
  test("speaks the protocol and asks from the beginning of now", () => {
    const { socket, protocols, states } = started();
    socket(0).opens();
    expect(protocols).toEqual([EVENTS_PROTOCOL]);
    expect(socket(0).sent).toEqual([{ after: null }]);
    expect(states).toEqual(["connecting", "live"]);
  });

  test("takes up after a cut where it was, so that nothing is missed and nothing is fetched twice", () => {
    const { socket, events, gaps, states } = started();
    socket(0).opens();
    socket(0).says(event("17.4"));
    gaps.mockClear();
    socket(0).drops(1006);
    vi.advanceTimersByTime(500);
    socket(1).opens();
    expect(socket(1).sent).toEqual([{ after: "17.4" }]);
    expect(events.map(({ id }) => id)).toEqual(["17.4"]);
    expect(gaps).not.toHaveBeenCalled();
    expect(states).toEqual(["connecting", "live", "reconnecting", "live"]);
  });

  test("fetches everything again when the replay window has passed", () => {
    const { socket, gaps } = started();
    socket(0).opens();
    socket(0).says(event("17.4"));
    gaps.mockClear();
    socket(0).drops(4410);
    vi.advanceTimersByTime(500);
    socket(1).opens();
    expect(socket(1).sent).toEqual([{ after: null }]);
    expect(gaps).toHaveBeenCalledOnce();
  });

  test.each([
    [4401, 1],
    [4403, 0],
  ])("does not come back after %d", (code, asksForSignIn) => {
    const { socket, sockets, states, unauthenticated } = started();
    socket(0).opens();
    socket(0).drops(code);
    vi.advanceTimersByTime(120_000);
    expect(sockets).toHaveLength(1);
    expect(states.at(-1)).toBe("stopped");
    expect(unauthenticated).toHaveBeenCalledTimes(asksForSignIn);
  });

  test.each([1001, 4408])("comes back after %d", (code) => {
    const { socket, sockets } = started();
    socket(0).opens();
    socket(0).drops(code);
    vi.advanceTimersByTime(1_000);
    expect(sockets).toHaveLength(2);
  });

  test("sends a heartbeat every 20 s, and gives up a connection that is silent", () => {
    const { socket, sockets, states } = started();
    socket(0).opens();
    vi.advanceTimersByTime(40_000);
    expect(socket(0).sent.slice(1)).toEqual([{ type: "heartbeat" }, { type: "heartbeat" }]);
    socket(0).says({ type: "heartbeat" });
    vi.advanceTimersByTime(44_000);
    expect(sockets).toHaveLength(1);
    vi.advanceTimersByTime(2_000);
    expect(states.at(-1)).toBe("reconnecting");
  });

  test("ignores what is not an event", () => {
    const { socket, events } = started();
    socket(0).opens();
    for (const odd of ["", "no json", "null", "3", { type: "heartbeat" }, { id: 4, type: "x" }]) socket(0).says(odd);
    expect(events).toEqual([]);
  });

  test("stays away once it is stopped", () => {
    const { stream, socket, sockets } = started();
    socket(0).opens();
    socket(0).drops(1006);
    stream.stop();
    vi.advanceTimersByTime(60_000);
    expect(sockets).toHaveLength(1);
  });
});

describe("reconnectDelay", () => {
  test("is anywhere up to a cap that doubles to half a minute", () => {
    expect(reconnectDelay(0, () => 0)).toBe(0);
    expect(reconnectDelay(2, () => 0.999)).toBe(3_996);
    expect(reconnectDelay(40, () => 0.5)).toBe(15_000);
  });
});
