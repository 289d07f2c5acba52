/** How the events channel stands, for whoever has to know; what keeps it open is `LiveProvider`. */
import { createContext, useContext } from "react";
import type { LiveState } from "./EventStream";

export const LiveContext = createContext<LiveState>("connecting");

const POLL_MS = 5_000;

/** How the events channel stands. */
export function useLive(): LiveState {
  return useContext(LiveContext);
}

/** How often to ask again: rarely while events tell of changes, often while they do not. */
export function useLiveInterval(liveMs: number): number {
  return useLive() === "live" ? liveMs : POLL_MS;
}
