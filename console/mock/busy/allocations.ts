import type { AllocationState } from "~/api/types";
import { actionsIn, allocation, change, charge, operation, startup, type WholeAllocation } from "../fixtures/allocations";
import { price } from "../fixtures/catalog";
import { type Ago, like, pairs, usd } from "../fixtures/common";
import type { World } from "../world";

const NAMES: Record<AllocationState, string> = {
  queued: "next-up",
  provisioning: "warming-up",
  active: "train-resnet",
  suspended: "paused-lab",
  releasing: "going-away",
  released: "old-sweep",
  failed: "no-luck",
  release_failed: "stuck",
  lost: "out-of-sight",
};

const CHECKED = ["access", "processes", "home", "keys"];

const evidence = (clean: boolean, at: string): WholeAllocation["evidence"] => ({
  released_at: at,
  clean,
  checks: CHECKED.map((name) => (clean || name !== "home" ? { name, clean: true, detail: null } : { name, clean, detail: "/home/al-1 is still there" })),
});

/** What is special about an allocation in a state. */
function special(ago: Ago): Record<AllocationState, Partial<WholeAllocation>> {
  const nothing = usd("0.00");
  const cost = { ...allocation.cost, charged: nothing, accrued: nothing, total: nothing, as_of: ago(2) };
  const notStarted = { started_at: null, ssh: null, delivered_seconds: 0, cost };
  const failure = { code: "node_request_failed", message: "The node did not set it up. You were not charged." };
  return {
    queued: { ...notStarted, node: null },
    provisioning: { ...notStarted, operation: operation("provision", 3, ago(5)) },
    active: {
      labels: { stage: "test", team: "vision" },
      environment: ["API_TOKEN", "MODE"],
      startup,
      funds: { runway_seconds: 7_200, warning: "24h", suspend_at: null, data_kept_until: null },
      incidents: [{ kind: "out_of_memory", detail: "Out of memory: the kernel ended one of its processes, for its 2048 MiB were used up.", at: ago(900) }],
    },
    suspended: { ssh: null, funds: { runway_seconds: null, warning: null, suspend_at: null, data_kept_until: ago(-9 * 86_400) }, node: { id: "nd_5", name: "node-e", limits_enforced: false } },
    releasing: { ssh: null, operation: operation("release", 2, ago(5)) },
    released: { ssh: null, ended_at: ago(60), evidence: evidence(true, ago(60)) },
    failed: { ...notStarted, ended_at: ago(60), failure },
    release_failed: { ssh: null, evidence: evidence(false, ago(60)) },
    lost: { ssh: null, restart_price: price },
  };
}

/** One allocation in each state; the active one has what happened to it until now. */
export function allocationsOf(ago: Ago): Pick<World, "allocations" | "charges" | "history"> {
  const differs = special(ago);
  const changes = ["queued", "provisioning", "active"] as const;
  const common: Partial<WholeAllocation> = {
    cost: { ...allocation.cost, as_of: ago(2) },
    funds: { runway_seconds: null, warning: null, suspend_at: null, data_kept_until: null },
    created_at: ago(4_000),
    started_at: ago(3_723),
  };
  return {
    allocations: pairs(NAMES).map(([state, name], place) =>
      like(allocation, common, { id: state === "active" ? "al_1" : `al_${place + 10}`, name, state, actions: actionsIn(state), state_seconds: 60 * (place + 1) }, differs[state]),
    ),
    charges: { al_1: [like(charge, { period_start: ago(3_723), period_end: ago(60) })] },
    history: {
      al_1: changes.map((to, place) =>
        like(change, { from: changes[place - 1] ?? null, to, actor: place === 0 ? "usr_1" : "worker", at: ago(3_800 - 20 * place) }),
      ),
    },
  };
}
