/** Work on allocations that goes on by itself, step by step, as a worker would do it. */
import type { AllocationState, Operation } from "~/api/types";
import { tell } from "./events";
import { actionsIn, allocation as known, operation, type WholeAllocation } from "./fixtures/allocations";
import { usd } from "./fixtures/common";
import { world } from "./world";

const CHECKED = ["access", "sessions", "processes", "slice", "account", "home", "files", "cron", "ipc", "keys", "startup", "gpu", "held", "memory", "network"];

/** What an allocation is in a state, beside its name. */
function partsOf(state: AllocationState, now: string): Partial<WholeAllocation> {
  if (state === "active") return { login: known.login, ssh: known.ssh, enforced: known.enforced, started_at: now };
  if (state === "releasing") return { ssh: null, release_requested_at: now };
  if (state === "suspended") return { ssh: null };
  if (state !== "released") return {};
  return {
    ended_at: now,
    node: null,
    evidence: { released_at: now, clean: true, checks: CHECKED.map((name) => ({ name, clean: true, detail: "nothing found" })) },
    cost: { ...known.cost, charged: known.cost.total, accrued: usd("0.00"), held: usd("0.00") },
  };
}

/** Puts an allocation into a state, writes it into its history and tells of it. */
export function move(one: WholeAllocation, state: AllocationState): void {
  if (one.state === state) return;
  const now = new Date().toISOString();
  const change = { from: one.state, to: state, reason: "as asked", incident: null, code: null, actor: "worker", at: now };
  Object.assign(one, partsOf(state, now), { state, actions: actionsIn(state), state_seconds: 0 });
  world.history[one.id] = [...(world.history[one.id] ?? []), change];
  tell(`allocation.${state}`, one.id, { allocation_id: one.id, name: one.name });
}

/** Does an operation's steps one after the other, in the first state, and then puts the allocation into the second. */
export function work(one: WholeAllocation, kind: Operation["kind"], [during, after]: [AllocationState, AllocationState]): void {
  const begun = new Date().toISOString();
  one.operation = operation(kind, 0, begun);
  const { stepMs } = world;
  if (stepMs === null) return;
  const step = (done: number) => {
    one.operation = operation(kind, done, begun);
    tell("operation.progressed", "op_1", { allocation_id: one.id, name: one.name });
    move(one, one.operation.state === "succeeded" ? after : during);
    if (one.operation.state !== "succeeded") setTimeout(() => step(done + 1), stepMs);
  };
  setTimeout(() => step(1), stepMs);
}
