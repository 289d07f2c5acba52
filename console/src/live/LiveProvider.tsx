import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { toast } from "sonner";
import { meQuery } from "~/api/queries";
import { sockets } from "~/paths";
import { EventStream, type LiveState } from "./EventStream";
import { isFailure, isStaleAfter, toastFor } from "./effects";

const LiveContext = createContext<LiveState>("connecting");

const POLL_MS = 5_000;

/** How the events channel stands. */
export function useLive(): LiveState {
  return useContext(LiveContext);
}

/** How often to ask again: rarely while events tell of changes, often while they do not. */
export function useLiveInterval(liveMs: number): number {
  return useLive() === "live" ? liveMs : POLL_MS;
}

/** Keeps one events channel open for all pages below, and refreshes what its events make stale. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>("connecting");

  useEffect(() => {
    const me = meQuery().queryKey[1];
    const stream = new EventStream(sockets.events(), {
      onState: setState,
      onEvent: (event) => {
        void client.invalidateQueries({ predicate: (query) => isStaleAfter(event, query) });
        const line = toastFor(event, window.location.pathname);
        if (line !== null) toast(line, isFailure(event) ? { duration: Number.POSITIVE_INFINITY, closeButton: true } : {});
      },
      onGap: () => void client.invalidateQueries({ predicate: (query) => query.queryKey[1] !== me }),
      onUnauthenticated: () => void client.invalidateQueries({ queryKey: meQuery().queryKey }),
    });
    stream.start();
    return () => stream.stop();
  }, [client]);

  return <LiveContext value={state}>{children}</LiveContext>;
}
