/** What an event makes stale, and which ones are worth a word to somebody on another page. */
import type { Query } from "@tanstack/react-query";
import { routeOf, STALE_AFTER_EVENT } from "~/api/stale";
import { t } from "~/messages";
import type { LiveEvent } from "./EventStream";

/** Whether the data of a query may have changed by an event; queries of one allocation only by events about it. */
export function isStaleAfter(event: LiveEvent, { queryKey }: Query): boolean {
  const kind = event.type.split(".")[0] ?? "";
  const stale: readonly unknown[] = Object.hasOwn(STALE_AFTER_EVENT, kind) ? STALE_AFTER_EVENT[kind as keyof typeof STALE_AFTER_EVENT] : [];
  if (!stale.includes(routeOf(queryKey))) return false;
  const [, , init] = queryKey as [string, string, { params?: { path?: Record<string, string> } }?];
  const named = init?.params?.path?.id_or_name;
  const subjects = [event.subject, event.data.allocation_id, event.data.name];
  return named === undefined || subjects.includes(named);
}

const toast = t.shell.toast;

const FAILURES = new Set(["allocation.failed", "allocation.release_failed", "allocation.lost", "allocation.ran_out_of_memory", "allocation.node_restarted", "allocation.gpu_erred", "top_up.failed"]);

const STARTUP = "allocation.startup_ended";

const TOASTS: Record<string, (name: string) => string> = {
  "allocation.active": toast.active,
  "allocation.suspended": toast.suspended,
  "allocation.released": toast.released,
  "allocation.failed": toast.failed,
  "allocation.release_failed": toast.releaseFailed,
  "allocation.lost": toast.lost,
  "allocation.ran_out_of_memory": toast.outOfMemory,
  "allocation.node_restarted": toast.nodeRestarted,
  "allocation.gpu_erred": toast.gpuErred,
  "top_up.succeeded": () => toast.topUpSucceeded,
  "top_up.failed": () => toast.topUpFailed,
};

/** Whether an event tells of something that went wrong: what is said about it stays until it is put away. */
export function isFailure({ type, data }: LiveEvent): boolean {
  return FAILURES.has(type) || (type === STARTUP && data.state === "failed");
}

/** A line about an event in the background; null when the page in front already shows it. */
export function toastFor(event: LiveEvent, location: string): string | null {
  const line = event.type === STARTUP && isFailure(event) ? toast.startupFailed : TOASTS[event.type];
  if (line === undefined) return null;
  const { allocation_id: id, name } = event.data;
  const inFront = event.type.startsWith("top_up.")
    ? location.startsWith("/billing") || location.startsWith("/launch")
    : location.includes(`/${String(id ?? event.subject)}`) || location.includes(`/${String(name)}`);
  return inFront ? null : line(String(name ?? id ?? event.subject));
}
