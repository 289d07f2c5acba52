/** What is on offer, and the SKUs and prices behind it. */
import type { Price, Sku } from "~/api/types";
import { freshId, notFound, on, pageOf } from "../api";
import { listedPrice, managedSku } from "../fixtures/catalog";
import { may, perHour } from "../fixtures/common";
import { world } from "../world";

function found(id: string): Sku {
  const sku = world.skus.find((one) => one.id === id);
  if (sku === undefined) throw notFound();
  return sku;
}

export const catalog = [
  on("get", "/api/v1/offers", ({ query }) => pageOf(world.offers, query)),

  on("get", "/api/v1/admin/skus", ({ query }) => ({ ...pageOf(world.skus, query), actions: may("create") })),
  on("get", "/api/v1/admin/skus/{sku_id}", ({ path }) => found(path.sku_id)),
  on("post", "/api/v1/admin/skus", ({ body }) => {
    const created: Sku = {
      ...managedSku,
      ...body,
      gpu_model: body.gpu_model ?? null,
      gpu_count: body.gpu_count ?? 0,
      node_labels: body.node_labels ?? {},
      id: freshId("sku", world.skus),
      price: null,
      created_at: new Date().toISOString(),
    };
    world.skus = [...world.skus, created];
    return created;
  }),
  on("patch", "/api/v1/admin/skus/{sku_id}", ({ path, body }) => {
    const active = body.active ?? found(path.sku_id).active;
    const names = ["rename", active ? "deactivate" : "activate", "set_price"];
    return Object.assign(found(path.sku_id), { active, actions: may(...names) });
  }),

  on("get", "/api/v1/admin/prices", ({ query }) => {
    const sku = query.get("sku_id");
    return pageOf(world.prices.filter(({ sku_id }) => sku === null || sku === sku_id), query);
  }),
  on("post", "/api/v1/admin/prices", ({ body }) => {
    const now = new Date().toISOString();
    const planned = body.effective_at != null && body.effective_at > now;
    const created: Price = {
      ...listedPrice,
      id: freshId("prc", world.prices),
      sku_id: body.sku_id,
      per_hour: perHour(body.per_hour),
      suspended_per_hour: perHour(body.suspended_per_hour ?? body.disk_per_hour ?? "0"),
      suspended_claim: body.suspended_claim,
      suspended_claim_hours: body.suspended_claim_hours ?? null,
      disk_per_hour: body.disk_per_hour == null ? null : perHour(body.disk_per_hour),
      effective_at: body.effective_at ?? now,
      created_at: now,
      in_force: !planned,
      standing: planned ? "planned" : "in_force",
    };
    const others = world.prices.map((one) =>
      planned || one.sku_id !== body.sku_id || !one.in_force ? one : { ...one, in_force: false, standing: "past" as const },
    );
    world.prices = [created, ...others];
    const { in_force: _inForce, standing: _standing, ...price } = created;
    if (!planned) found(body.sku_id).price = price;
    return created;
  }),
];
