import { type RefObject, useEffect, useRef, useState } from "react";
import { TerminalSession, type TerminalState } from "./TerminalSession";

type Refs = { host: RefObject<HTMLElement | null>; toolbar: RefObject<HTMLElement | null> };

/** A terminal in `host`, connected to an allocation. The key that leaves it puts the focus into `toolbar`. */
export function useTerminal(id: string, { host, toolbar }: Refs, screenReader: boolean) {
  const [state, setState] = useState<TerminalState>({ kind: "connecting" });
  const session = useRef<TerminalSession | null>(null);

  useEffect(() => {
    if (host.current === null) return undefined;
    const opened = new TerminalSession(host.current, id, {
      onState: setState,
      onLeave: () => toolbar.current?.querySelector<HTMLElement>("a, button")?.focus(),
    });
    session.current = opened;
    opened.connect();
    return () => opened.dispose();
  }, [id, host, toolbar]);

  useEffect(() => session.current?.setScreenReader(screenReader), [screenReader]);

  return { state, reconnect: () => session.current?.connect() };
}
