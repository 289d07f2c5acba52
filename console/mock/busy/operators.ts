import type { Approval, Upgrade } from "~/api/types";
import { type Ago, like, may, mayNot, pairs } from "../fixtures/common";
import { approval, drifted, EARLIER, helperVersions, OURS, rollout, upgrade } from "../fixtures/operators";
import type { World } from "../world";

const OWN = "Somebody else than who asked has to decide.";

const APPROVALS: Record<Approval["state"], Partial<Approval>> = {
  requested: {},
  approved: { actions: mayNot("It is approved already.", "approve", "reject") },
  rejected: { actions: mayNot("It is rejected already.", "approve", "reject") },
  used: { actions: mayNot("It is used already.", "approve", "reject") },
  expired: { actions: mayNot("It is expired already.", "approve", "reject") },
};

const OUTCOMES: Record<Upgrade["outcome"], Partial<Upgrade>> = {
  done: { canary: true },
  waiting: { ended_at: null },
  failed: { detail: "The node answers with the helper 0.2.0 (1e1e1e1e1e1e) after it was given 0.3.0 (2f2f2f2f2f2f)." },
  left: {},
};

/** A helper on its way, one that was stopped and one that all have; nodes that drift; an approval in each state, and one of one's own. */
export function operatorsOf(ago: Ago): Pick<World, "helperVersions" | "drift" | "rollouts" | "upgrades" | "approvals"> {
  const upgrades = pairs(OUTCOMES).map(([outcome, differs], place) =>
    like(upgrade, { outcome, canary: false, node_id: `nd_${place + 1}`, node_name: `node-${"abcd"[place]}`, ended_at: ago(40 - place) }, differs),
  );
  const [first, , failed] = upgrades as [Upgrade, Upgrade, Upgrade];
  const going = like(rollout, { id: "hro_3", phase: "rolling", canary: first, done: 1, waiting: 3, started_at: ago(90) });
  const reason = `node-c: ${failed.detail}`;
  const decided = { decided_by: { id: "usr_8", name: "Alan" }, decided_at: ago(1_000) };
  return {
    helperVersions: like(helperVersions, {
      rollout: going,
      counts: [
        { helper: OURS, standing: "current", nodes: 3 },
        { helper: EARLIER, standing: "other", nodes: 4 },
        { helper: { version: "0.1.9", sha256: null }, standing: "must_enrol", nodes: 1 },
        { helper: { version: "0.0.9", sha256: null }, standing: "too_old", nodes: 1 },
        { helper: { version: null, sha256: null }, standing: "unknown", nodes: 1 },
      ],
    }),
    drift: [
      like(drifted, { actions: mayNot("Helpers are being upgraded already.", "upgrade_first") }),
      like(drifted, {
        id: "nd_2",
        name: "node-b",
        state: "offline",
        actions: mayNot("The node node-b is offline, so nothing can be tried on it.", "upgrade_first"),
      }),
      like(drifted, {
        id: "nd_3",
        name: "node-c",
        helper: { version: "0.1.9", sha256: null },
        standing: "must_enrol",
        advice: "Its helper cannot be upgraded over SSH yet. Make a join token (`sublet admin node join-token node-c`) and run its command on node-c.",
        actions: mayNot("The helper of node-c cannot be upgraded: it is must_enrol.", "upgrade_first"),
      }),
    ],
    rollouts: [
      going,
      like(rollout, { id: "hro_2", phase: "stopped", reason, canary: first, failed: [failed], done: 1, waiting: 0, left: 1, started_at: ago(9_000), ended_at: ago(8_900), actions: mayNot("The rollout is stopped already.", "stop") }),
      like(rollout, { id: "hro_1", helper: EARLIER, phase: "done", canary: first, done: 4, waiting: 0, started_at: ago(90_000), ended_at: ago(89_000), actions: mayNot("The rollout is done already.", "stop") }),
    ],
    upgrades: { hro_3: upgrades, hro_2: upgrades, hro_1: upgrades },
    approvals: [
      like(approval, { id: "apr_0", requested_by: { id: "usr_1", name: "Ada" }, requested_at: ago(60), expires_at: ago(-80_000), actions: mayNot(OWN, "approve", "reject") }),
      ...pairs(APPROVALS).map(([state, differs], place) =>
        like(
          approval,
          { id: `apr_${place + 1}`, state, requested_at: ago(3_000), expires_at: ago(-70_000), actions: may("approve", "reject") },
          state === "requested" || state === "expired" ? {} : decided,
          differs,
        ),
      ),
    ],
  };
}
