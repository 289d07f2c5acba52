import { useRef } from "react";

/** A new idempotency key; long and random enough that no two intents share one. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Gives one key for each distinct request: the same body, sent again after a failure or a double click, carries the
 * same key; a changed body is another intent. `initial` continues an intent that began on an earlier page.
 */
export function useIntent(initial?: string) {
  const last = useRef<{ content: string | null; key: string } | null>(initial ? { content: null, key: initial } : null);
  return (input: unknown): string => {
    const content = JSON.stringify(input) ?? "";
    if (last.current !== null && (last.current.content === null || last.current.content === content)) {
      last.current.content = content;
    } else {
      last.current = { content, key: newKey() };
    }
    return last.current.key;
  };
}
