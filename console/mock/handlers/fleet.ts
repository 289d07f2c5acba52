/** The nodes of the fleet. */
import type { Join, Node, NodeDetail } from "~/api/types";
import { freshId, notFound, on, pageOf } from "../api";
import { tell } from "../events";
import { may } from "../fixtures/common";
import { enrolment, node as known } from "../fixtures/fleet";
import { world } from "../world";
import { askApproval } from "./operators";

const HOUR_MS = 3_600_000;

function found(id: string): NodeDetail {
  const node = world.nodes.find((one) => one.id === id);
  if (node === undefined) throw notFound();
  return node;
}

function gpuOf(id: string, uuid: string) {
  const gpu = found(id).inventory?.gpus.find((one) => one.uuid === uuid);
  if (gpu === undefined) throw notFound();
  return gpu;
}

/** A node as a list shows it. */
function listed({
  enrolment: _enrolment,
  history: _history,
  strangers: _strangers,
  kept: _kept,
  residents: _residents,
  drain: _drain,
  self_test: _test,
  self_tested_at: _tested,
  ...node
}: NodeDetail): Node {
  return node;
}

function join({ name }: NodeDetail): Join {
  const token = `join_${name}`;
  return {
    token,
    command: `curl -fsS http://127.0.0.1:5173/join.sh | sudo sh -s -- ${token}`,
    expires_at: new Date(Date.now() + HOUR_MS).toISOString(),
  };
}

/** What can be done with a node next. */
const THEN: Record<NodeDetail["state"], string[]> = {
  enrolling: [],
  ready: ["drain", "quarantine", "self_test"],
  cordoned: ["drain", "maintain", "quarantine", "self_test", "retire"],
  draining: ["stop_drain", "maintain", "quarantine", "self_test"],
  maintenance: ["self_test", "put_back", "retire"],
  quarantined: ["self_test", "put_back", "maintain", "retire"],
  offline: ["force_release"],
  retired: [],
};

function move(node: NodeDetail, state: NodeDetail["state"], reason: string): Node {
  const change = { from_state: node.state, to_state: state, reason, actor: world.me.user.id, at: new Date().toISOString() };
  const names = [state === "cordoned" ? "uncordon" : "cordon", ...THEN[state], "clear_gpu", "quarantine_gpu", "set_ports", "change", "remove"];
  Object.assign(node, { state, history: [...node.history, change], actions: may(...names) });
  tell("node.state_changed", node.id);
  return listed(node);
}

export const fleet = [
  on("get", "/api/v1/admin/nodes", ({ query }) => ({ ...pageOf(world.nodes.map(listed), query), actions: may("add") })),
  on("get", "/api/v1/admin/nodes/{node_id}", ({ path }) => found(path.node_id)),
  on("post", "/api/v1/admin/nodes", ({ body }) => {
    const added: NodeDetail = {
      ...known,
      ...body,
      id: freshId("nd", world.nodes),
      port: body.port ?? 22,
      labels: body.labels ?? {},
      state: "enrolling",
      limits_enforced: null,
      capabilities: [],
      inventory: null,
      claimed: { vcpu: 0, memory_mib: 0, disk_gib: 0, gpus: 0 },
      last_seen_at: null,
      host_certificate_expires_at: null,
      helper_version: null,
      actions: may("cordon", "set_ports", "change", "remove"),
      enrolment: enrolment(1),
      history: [],
    };
    world.nodes = [...world.nodes, added];
    return { node: listed(added), join: join(added) };
  }),
  on("patch", "/api/v1/admin/nodes/{node_id}", ({ path, body }) => {
    const node = found(path.node_id);
    const { name, address, port, labels } = body;
    return listed(Object.assign(node, { name: name ?? node.name, address: address ?? node.address, port: port ?? node.port, labels: labels ?? node.labels }));
  }),
  on("delete", "/api/v1/admin/nodes/{node_id}", ({ path }) => {
    found(path.node_id);
    world.nodes = world.nodes.filter(({ id }) => id !== path.node_id);
  }),
  on("post", "/api/v1/admin/nodes/{node_id}/cordon", ({ path }) => move(found(path.node_id), "cordoned", "cordoned by an operator")),
  on("post", "/api/v1/admin/nodes/{node_id}/uncordon", ({ path }) => move(found(path.node_id), "ready", "uncordoned by an operator")),
  on("post", "/api/v1/admin/nodes/{node_id}/drain", ({ path, body }) => {
    const node = found(path.node_id);
    const [begun_at, deadline_at] = [0, body.deadline_seconds].map((seconds) => new Date(Date.now() + seconds * 1000).toISOString()) as [string, string];
    node.drain = { id: "drn_1", reason: body.reason, begun_by: world.me.user.id, begun_at, deadline_at, credit_seconds: body.credit_seconds };
    return move(node, "draining", body.reason);
  }),
  on("post", "/api/v1/admin/nodes/{node_id}/stop-drain", ({ path, body }) => move(Object.assign(found(path.node_id), { drain: null }), "cordoned", body.reason)),
  on("post", "/api/v1/admin/nodes/{node_id}/maintenance", ({ path, body }) =>
    move(Object.assign(found(path.node_id), { drain: null }), "maintenance", body.reason),
  ),
  on("post", "/api/v1/admin/nodes/{node_id}/quarantine", ({ path, body }) => move(found(path.node_id), "quarantined", body.reason)),
  on("post", "/api/v1/admin/nodes/{node_id}/self-test", ({ path }) => {
    const at = new Date().toISOString();
    const test = { id: "nst_1", asked_by: world.me.user.id, asked_at: at, finished_at: null, passed: null, checks: [] };
    return listed(Object.assign(found(path.node_id), { self_test: test }));
  }),
  on("post", "/api/v1/admin/nodes/{node_id}/put-back", ({ path, body }) => move(found(path.node_id), "ready", body.reason)),
  on("post", "/api/v1/admin/nodes/{node_id}/retire", ({ path, body }) => move(found(path.node_id), "retired", body.reason)),
  on("post", "/api/v1/admin/nodes/{node_id}/force-release", ({ path, body }) => ({
    node: listed(found(path.node_id)),
    approval: askApproval({ act: "node.force_release", subject: path.node_id, parameters: { credit_seconds: body.credit_seconds }, reason: body.reason }),
  })),
  on("post", "/api/v1/admin/nodes/{node_id}/ports", ({ path, body }) => listed(Object.assign(found(path.node_id), { ports: body.range }))),
  on("post", "/api/v1/admin/nodes/{node_id}/join-token", ({ path }) => join(found(path.node_id))),
  on("post", "/api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/clear", ({ path }) =>
    Object.assign(gpuOf(path.node_id, path.gpu_uuid), { state: "available" as const, quarantine: null }),
  ),
  on("post", "/api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/quarantine", ({ path, body }) => {
    const quarantine = { code: "by_operator", reason: body.reason, at: new Date().toISOString() };
    return Object.assign(gpuOf(path.node_id, path.gpu_uuid), { state: "quarantined" as const, quarantine });
  }),
];
