/** What the mock tells on the events channel. */
import type { LiveEvent } from "~/live/EventStream";

type Listener = (event: LiveEvent) => void;

const listeners = new Set<Listener>();
let told = 0;

/** Hears all that is told from now on, until the returned function is called. */
export function follow(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Tells everybody who follows. */
export function tell(type: string, subject: string, data: Record<string, unknown> = {}): void {
  told += 1;
  const event: LiveEvent = { id: `1-${told}`, type, time: new Date().toISOString(), subject, data };
  for (const listener of listeners) listener(event);
}
