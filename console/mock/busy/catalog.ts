import type { Offer, Price, Sku } from "~/api/types";
import { listedPrice, managedSku, offer, refused } from "../fixtures/catalog";
import { type Ago, like, may, perHour, usd } from "../fixtures/common";
import type { World } from "../world";

const GPU: Partial<Offer["sku"]> = { id: "sku_2", code: "a100-one", name: "One A100", vcpu: 8, memory_mib: 65_536, disk_gib: 200, gpu_model: "A100", gpu_count: 1 };

const STANDINGS: Price["standing"][] = ["planned", "in_force", "past"];

/** Offers with and without a GPU, with and without limits, free and taken; a SKU that is retired; a price of each kind. */
export function catalogOf(ago: Ago): Pick<World, "offers" | "skus" | "prices"> {
  const gpuOffer = like(offer, {
    id: "sku_2",
    sku: like(offer.sku, GPU),
    price: like(offer.price, { id: "prc_9", sku_id: "sku_2", per_hour: perHour("1.8425") }),
    hold: usd("1.92"),
    limits_enforced: false,
  });
  const taken = like(offer, { id: "sku_3", sku: like(offer.sku, { id: "sku_3", code: "cpu-large", name: "Large" }) });
  const retired: Partial<Sku> = { id: "sku_4", code: "cpu-old", name: "Retired", active: false, actions: may("rename", "activate", "set_price") };
  return {
    offers: [offer, gpuOffer, refused(taken, "no_capacity", "All are in use.")],
    skus: [managedSku, like(managedSku, GPU, { price: null }), like(managedSku, retired)],
    prices: STANDINGS.map((standing, place) =>
      like(listedPrice, { id: `prc_${place + 1}`, standing, in_force: standing === "in_force", effective_at: ago(3_600 * (place - 1) + 30) }),
    ),
  };
}
