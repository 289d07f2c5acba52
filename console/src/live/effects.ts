/** What an event makes stale, and which ones are worth a word to somebody on another page. */
import type { Query } from "@tanstack/react-query";
import { t } from "~/messages";
import type { LiveEvent } from "./EventStream";

const API = "/api/v1";

const STALE: [event: RegExp, routes: string[]][] = [
  [/^allocation\./, ["/allocations", "/admin/allocations", "/offers", "/admin/nodes"]],
  [/^operation\./, ["/allocations/"]],
  [/^wallet\./, ["/wallet", "/usage", "/offers"]],
  [/^top_up\./, ["/top-ups", "/wallet"]],
  [/^node\./, ["/admin/nodes", "/offers"]],
];

/** Whether the data of a query may have changed by an event; queries of one allocation only by events about it. */
export function isStaleAfter(event: LiveEvent, query: Query): boolean {
  const [, path, init] = query.queryKey as [string, string?, { params?: { path?: Record<string, string> } }?];
  if (typeof path !== "string") return false;
  const routes = STALE.filter(([pattern]) => pattern.test(event.type)).flatMap(([, found]) => found);
  if (!routes.some((route) => path.startsWith(API + route))) return false;
  const named = init?.params?.path?.id_or_name;
  const subjects = [event.subject, event.data.allocation_id, event.data.name];
  return named === undefined || subjects.includes(named);
}

const toast = t.shell.toast;

const FAILURES = new Set(["allocation.failed", "allocation.release_failed", "allocation.lost", "top_up.failed"]);

const TOASTS: Record<string, (name: string) => string> = {
  "allocation.active": toast.active,
  "allocation.suspended": toast.suspended,
  "allocation.released": toast.released,
  "allocation.failed": toast.failed,
  "allocation.release_failed": toast.releaseFailed,
  "allocation.lost": toast.lost,
  "top_up.succeeded": () => toast.topUpSucceeded,
  "top_up.failed": () => toast.topUpFailed,
};

/** Whether an event tells of something that went wrong: what is said about it stays until it is put away. */
export function isFailure({ type }: LiveEvent): boolean {
  return FAILURES.has(type);
}

/** A line about an event in the background; null when the page in front already shows it. */
export function toastFor(event: LiveEvent, location: string): string | null {
  const line = TOASTS[event.type];
  if (line === undefined) return null;
  const { allocation_id: id, name } = event.data;
  const inFront = event.type.startsWith("top_up.")
    ? location.startsWith("/billing") || location.startsWith("/launch")
    : location.includes(`/${String(id ?? event.subject)}`) || location.includes(`/${String(name)}`);
  return inFront ? null : line(String(name ?? id ?? event.subject));
}
