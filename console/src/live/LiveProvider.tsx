import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { meQuery } from "~/api/queries";
import { refreshAll } from "~/api/stale";
import { sockets } from "~/paths";
import { isFailure, isStaleAfter, toastFor } from "./effects";
import { EventStream, type LiveState } from "./EventStream";
import { LiveContext } from "./state";

/** Keeps one events channel open for all pages below, and refreshes what its events make stale. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const [state, setState] = useState<LiveState>("connecting");

  useEffect(() => {
    const stream = new EventStream(sockets.events(), {
      onState: setState,
      onEvent: (event) => {
        void client.invalidateQueries({ predicate: (query) => isStaleAfter(event, query) });
        const line = toastFor(event, window.location.pathname);
        if (line !== null) void import("./Toasts").then(({ say }) => say(line, isFailure(event)), () => undefined);
      },
      onGap: () => void refreshAll(client),
      onUnauthenticated: () => void client.invalidateQueries({ queryKey: meQuery().queryKey }),
    });
    stream.start();
    return () => stream.stop();
  }, [client]);

  return <LiveContext value={state}>{children}</LiveContext>;
}
