/** Helpers on their way to the nodes, and acts that need a second person. */
import type { Approval, Rollout } from "~/api/types";
import { freshId, notFound, on, pageOf, Refusal } from "../api";
import { mayNot } from "../fixtures/common";
import { rollout as known, upgrade } from "../fixtures/operators";
import { world } from "../world";

function rolloutOf(id: string): Rollout {
  const rollout = world.rollouts.find((one) => one.id === id);
  if (rollout === undefined) throw notFound();
  return rollout;
}

function decide(id: string, state: "approved" | "rejected"): Approval {
  const one = world.approvals.find((approval) => approval.id === id);
  if (one === undefined) throw notFound();
  if (one.requested_by.id === world.me.user.id) throw new Refusal(403, "approval_needs_somebody_else");
  const by = { id: world.me.user.id, name: world.me.user.name };
  return Object.assign(one, { state, decided_by: by, decided_at: new Date().toISOString(), actions: mayNot(`It is ${state} already.`, "approve", "reject") });
}

export const operators = [
  on("get", "/api/v1/admin/helper-versions", () => world.helperVersions),
  on("get", "/api/v1/admin/helper-drift", ({ query }) => pageOf(world.drift, query)),
  on("get", "/api/v1/admin/helper-rollouts", ({ query }) => pageOf(world.rollouts, query)),
  on("get", "/api/v1/admin/helper-rollouts/{rollout_id}", ({ path }) => rolloutOf(path.rollout_id)),
  on("get", "/api/v1/admin/helper-rollouts/{rollout_id}/nodes", ({ path, query }) => pageOf(world.upgrades[rolloutOf(path.rollout_id).id] ?? [], query)),
  on("post", "/api/v1/admin/helper-rollouts", ({ body }) => {
    const node = world.drift.find(({ id }) => id === body.canary);
    if (node === undefined) throw notFound();
    const canary = { ...upgrade, node_id: node.id, node_name: node.name };
    const begun: Rollout = { ...known, id: freshId("hro", world.rollouts), canary, started_by: world.me.user.id, started_at: new Date().toISOString() };
    world.rollouts = [begun, ...world.rollouts];
    world.upgrades[begun.id] = [canary];
    world.helperVersions.rollout = begun;
    return begun;
  }),
  on("post", "/api/v1/admin/helper-rollouts/{rollout_id}/stop", ({ path, body }) => {
    const rollout = rolloutOf(path.rollout_id);
    const ended = { phase: "stopped" as const, reason: body.reason, ended_at: new Date().toISOString(), left: rollout.waiting, waiting: 0 };
    return Object.assign(rollout, ended, { actions: mayNot("The rollout is stopped already.", "stop") });
  }),
  on("get", "/api/v1/admin/approvals", ({ query }) => {
    const [state, subject] = [query.get("state"), query.get("subject")];
    return pageOf(world.approvals.filter((one) => (state === null || one.state === state) && (subject === null || one.subject === subject)), query);
  }),
  on("post", "/api/v1/admin/approvals/{approval_id}/approve", ({ path }) => decide(path.approval_id, "approved")),
  on("post", "/api/v1/admin/approvals/{approval_id}/reject", ({ path }) => decide(path.approval_id, "rejected")),
];

/** What an operator asks a second person for. */
export function askApproval(asked: Pick<Approval, "act" | "subject" | "parameters" | "reason">): Approval {
  const [now, day] = [Date.now(), 86_400_000];
  const one: Approval = {
    ...asked,
    id: freshId("apr", world.approvals),
    state: "requested",
    requested_by: { id: world.me.user.id, name: world.me.user.name },
    requested_at: new Date(now).toISOString(),
    expires_at: new Date(now + day).toISOString(),
    decided_by: null,
    decided_at: null,
    used_at: null,
    actions: mayNot("Somebody else than who asked has to decide.", "approve", "reject"),
  };
  world.approvals = [one, ...world.approvals];
  return one;
}
