import type { NodeDetail } from "~/api/types";
import { type Ago, like, may, mayNot, pairs } from "../fixtures/common";
import { enrolment, type Gpu, gpu, node } from "../fixtures/fleet";
import type { World } from "../world";

const GPU_STATES: Gpu["state"][] = ["available", "quarantined", "missing"];

const STATES: Record<NodeDetail["state"], Partial<NodeDetail>> = {
  ready: { strangers: [{ login: "al-left", uid: 200_123, since: "2026-01-01T00:00:00Z" }], labels: { zone: "a" } },
  retired: { actions: mayNot("The node is retired.", "retire") },
  cordoned: { actions: may("uncordon", "clear_gpu", "quarantine_gpu") },
  draining: {
    actions: may("stop_drain", "quarantine", "self_test").concat(mayNot("Something still runs on it: out-of-sight.", "maintain")),
    drain: { id: "drn_1", reason: "A fan is loud.", begun_by: "usr_1", begun_at: "2026-01-01T00:00:00Z", deadline_at: "2026-01-02T00:00:00Z", credit_seconds: 3600 },
    residents: [
      { kind: "allocation", id: "al_1", name: "out-of-sight", organization_id: "org_1", state: "active", need: "runs", gpus: 1 },
      { kind: "allocation", id: "al_2", name: "paused-lab", organization_id: "org_1", state: "suspended", need: "kept", gpus: 0 },
    ],
  },
  maintenance: {
    actions: may("self_test", "quarantine", "retire").concat(mayNot("The node has not passed a test of itself since it is maintenance.", "put_back")),
    self_test: {
      id: "nst_1",
      asked_by: "usr_1",
      asked_at: "2026-01-01T00:00:00Z",
      finished_at: "2026-01-01T00:00:10Z",
      passed: false,
      checks: [
        { name: "enter", passed: true, detail: "a login made for it came in as a customer does" },
        { name: "cpu", passed: true, detail: "four processes got 1 CPUs of 1" },
        { name: "memory", passed: false, detail: "it took twice its memory" },
        { name: "network", passed: null, detail: "it reached the node's own sshd; the node says that it does not enforce this" },
        { name: "release", passed: true, detail: "nothing of it is left" },
      ],
    },
  },
  quarantined: { limits_enforced: false },
  offline: { actions: mayNot("It does not answer.", "drain", "self_test").concat(may("cordon", "quarantine", "force_release", "set_ports")) },
  enrolling: { inventory: null, limits_enforced: null, capabilities: [], helper_version: null, last_seen_at: null, enrolment: enrolment(3) },
};

/** Of a GPU that is gone from the bus, with what its driver said of it before. */
function sick(ago: Ago): NonNullable<Gpu["health"]> {
  return {
    worst: "quarantine",
    answers: false,
    driver: "570.86.15",
    temperature: null,
    memory_used_mib: null,
    busy_percent: null,
    ecc_uncorrected: null,
    recovery: null,
    mig: null,
    slowed_by: [],
    findings: [
      {
        code: "xid_79",
        severity: "quarantine",
        xid: 79,
        count: 1,
        means: "it has fallen off the bus: the node cannot reach it any more",
        said: "GPU has fallen off the bus.",
        source: "docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html (NVIDIA's Xid catalog, immediate action)",
        do: "Move what runs on the node, then reboot the node; if it comes back, take the GPU out.",
        since: ago(4000),
        at: ago(4000),
      },
    ],
    seen_at: ago(4),
  };
}

/** A node in each state, each with a GPU in each state. */
export function fleetOf(ago: Ago): Pick<World, "nodes"> {
  const gpus = GPU_STATES.map((state) => 
    like(gpu, { uuid: `GPU-${state}`, state, health: state === "quarantined" ? sick(ago) : null, quarantine: state === "quarantined" ? { code: "xid_79", reason: "It fell off the bus.", at: ago(4000) } : null }),
  );
  const common: Partial<NodeDetail> = {
    inventory: node.inventory === null ? null : { ...node.inventory, gpus },
    last_seen_at: ago(4),
    host_certificate_expires_at: ago(-600_000),
    history: node.history.map((change) => like(change, { at: ago(86_000) })),
  };
  return { nodes: pairs(STATES).map(([state, differs], place) => like(node, common, { id: `nd_${place + 1}`, name: `node-${"abcdefgh"[place]}`, state }, differs)) };
}
