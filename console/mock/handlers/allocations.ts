/** Allocations, as their owner and as operators see them. */
import type { Allocation, AllocationState, LaunchBody } from "~/api/types";
import { freshId, notFound, on, pageOf, Refusal } from "../api";
import { tell } from "../events";
import { actionsIn, adminSummaryOf, allocation as known, startup, summaryOf, type WholeAllocation } from "../fixtures/allocations";
import { move, work } from "../progress";
import { world } from "../world";

const OUTPUT = "fetching the data\n\u001b[31mcurl: (6) no such host\u001b[0m\n";
const ENDED = new Set<AllocationState>(["released", "failed"]);

/** An allocation as its owner sees it. */
export function owned({ organization: _organization, state_seconds: _seconds, ...allocation }: WholeAllocation): Allocation {
  return allocation;
}

function found(idOrName: string): WholeAllocation {
  const one = world.allocations.find(({ id, name, state }) => id === idOrName || (name === idOrName && !ENDED.has(state)));
  if (one === undefined) throw notFound();
  return one;
}

/** The allocation, if what is asked of it may be done now. */
function allowed(idOrName: string, ...names: string[]): WholeAllocation {
  const one = found(idOrName);
  if (!one.actions.some((action) => names.includes(action.name) && action.allowed)) throw new Refusal(409, "conflict");
  return one;
}

function launched({ offer_id, price_id, name, labels, environment, startup_script }: LaunchBody): WholeAllocation {
  const offer = world.offers.find(({ id }) => id === offer_id);
  if (offer === undefined) throw notFound();
  if (price_id != null && price_id !== offer.price.id) throw new Refusal(409, "price_changed");
  const refused = offer.actions.find((action) => !action.allowed);
  if (refused !== undefined) throw new Refusal(refused.code === "insufficient_funds" ? 402 : 409, refused.code ?? "conflict");
  const now = new Date().toISOString();
  const id = freshId("al", world.allocations);
  const { cost } = known;
  const nothing = { ...cost.total, amount: "0.00" };
  return {
    ...known,
    id,
    name: name ?? `machine-${id.slice(3)}`,
    state: "queued",
    sku: offer.sku,
    price: offer.price,
    restart_price: null,
    login: null,
    ssh: null,
    created_at: now,
    started_at: null,
    delivered_seconds: 0,
    cost: { ...cost, charged: nothing, accrued: nothing, total: nothing, held: offer.hold, as_of: now },
    enforced: [],
    labels: labels ?? {},
    environment: Object.keys(environment ?? {}).toSorted(),
    startup: startup_script == null ? null : { ...startup, state: "waiting", ended_by: null, exit_code: null, output_bytes: 0, script_bytes: startup_script.length, began_at: null, ended_at: null },
    actions: actionsIn("queued"),
    state_seconds: 0,
  };
}

export const allocations = [
  on("get", "/api/v1/allocations", ({ query }) => {
    const states = query.getAll("state");
    const wanted = ({ state }: WholeAllocation) =>
      states.length > 0 ? states.includes(state) : query.get("include_ended") === "true" || !ENDED.has(state);
    const labelled = ({ labels }: WholeAllocation) =>
      query.getAll("label").every((one) => {
        const [key = "", ...value] = one.split("=");
        return key in labels && (value.length === 0 || labels[key] === value.join("="));
      });
    return pageOf(world.allocations.filter(wanted).filter(labelled).map(summaryOf), query);
  }),
  on("post", "/api/v1/allocations", ({ body }) => {
    const created = launched(body);
    world.allocations = [created, ...world.allocations];
    tell("allocation.created", created.id, { allocation_id: created.id, name: created.name });
    work(created, "provision", ["provisioning", "active"]);
    return owned(created);
  }),
  on("get", "/api/v1/allocations/{id_or_name}", ({ path }) => owned(found(path.id_or_name))),
  on("get", "/api/v1/allocations/{id_or_name}/startup", ({ path }) => {
    const one = found(path.id_or_name).startup;
    if (one === null) throw notFound();
    return { ...one, output: one.began_at === null ? "" : OUTPUT, seen_at: one.ended_at };
  }),
  on("patch", "/api/v1/allocations/{id_or_name}", ({ path, body }) => {
    const one = found(path.id_or_name);
    const changed = Object.entries({ ...one.labels, ...body.labels }).filter((pair): pair is [string, string] => pair[1] !== null);
    one.labels = Object.fromEntries(changed);
    return owned(one);
  }),
  on("get", "/api/v1/allocations/{id_or_name}/charges", ({ path, query }) => pageOf(world.charges[found(path.id_or_name).id] ?? [], query)),
  on("get", "/api/v1/allocations/{id_or_name}/history", ({ path, query }) => pageOf(world.history[found(path.id_or_name).id] ?? [], query)),
  on("post", "/api/v1/allocations/{id_or_name}/ports", ({ path, body }) => {
    const one = allowed(path.id_or_name, "publish_port");
    const made = { ...body, id: freshId("prt", one.ports), host: "192.0.2.1", node_port: 30_000 + one.ports.length, state: "open" as const, refusal: null, actions: [{ name: "withdraw", allowed: true, reason: null }] };
    one.ports = [...one.ports, made];
    return made;
  }),
  on("delete", "/api/v1/allocations/{id_or_name}/ports/{port_id}", ({ path }) => {
    const one = found(path.id_or_name);
    const gone = one.ports.find(({ id }) => id === path.port_id);
    if (gone === undefined) throw notFound();
    one.ports = one.ports.filter(({ id }) => id !== path.port_id);
    return { ...gone, state: "closing" as const };
  }),
  on("post", "/api/v1/allocations/{id_or_name}/release", ({ path }) => {
    const one = allowed(path.id_or_name, "release", "cancel");
    move(one, "releasing");
    work(one, "release", ["releasing", "released"]);
    return owned(one);
  }),
  on("post", "/api/v1/allocations/{id_or_name}/suspend", ({ path }) => {
    const one = allowed(path.id_or_name, "suspend");
    work(one, "suspend", ["active", "suspended"]);
    return owned(one);
  }),
  on("post", "/api/v1/allocations/{id_or_name}/resume", ({ path }) => {
    const one = allowed(path.id_or_name, "resume");
    work(one, "resume", ["suspended", "active"]);
    return owned(one);
  }),
  on("post", "/api/v1/allocations/{id_or_name}/restart-elsewhere", ({ path, body }) => {
    const lost = allowed(path.id_or_name, "restart_elsewhere");
    if (lost.restart_price?.id !== body.price_id) throw notFound();
    move(lost, "releasing");
    const created = launched({ offer_id: lost.sku.id, name: `${lost.name}-2` });
    world.allocations = [created, ...world.allocations];
    tell("allocation.created", created.id, { allocation_id: created.id, name: created.name });
    work(created, "provision", ["provisioning", "active"]);
    return owned(created);
  }),
  on("get", "/api/v1/admin/allocations", ({ query }) => {
    const states = query.getAll("state");
    return pageOf(world.allocations.filter(({ state }) => states.length === 0 || states.includes(state)).map(adminSummaryOf), query);
  }),
];
