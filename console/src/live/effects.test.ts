import { QueryClient } from "@tanstack/react-query";
import { describe, expect, test } from "vitest";
import { isFailure, isStaleAfter, toastFor } from "./effects";
import type { LiveEvent } from "./EventStream";

const event = (type: string, subject: string, data: Record<string, unknown> = {}): LiveEvent => ({ id: "1", type, time: "", subject, data });

function staleAfter(happened: LiveEvent, key: unknown[]): boolean {
  const client = new QueryClient();
  client.setQueryData(key, 1);
  const [query] = client.getQueryCache().getAll();
  return query !== undefined && isStaleAfter(happened, query);
}

const one = (id: string) => ["get", "/api/v1/allocations/{id_or_name}", { params: { path: { id_or_name: id } } }];

describe("isStaleAfter", () => {
  test("an allocation's event refreshes the list, its own page and the offers", () => {
    const happened = event("allocation.active", "al_1", { name: "notebook" });
    expect(staleAfter(happened, ["get", "/api/v1/allocations", {}])).toBe(true);
    expect(staleAfter(happened, one("al_1"))).toBe(true);
    expect(staleAfter(happened, one("notebook"))).toBe(true);
    expect(staleAfter(happened, ["get", "/api/v1/offers", {}])).toBe(true);
  });

  test("and leaves other allocations, the wallet and the account alone", () => {
    const happened = event("allocation.active", "al_1");
    expect(staleAfter(happened, one("al_2"))).toBe(false);
    expect(staleAfter(happened, ["get", "/api/v1/wallet", {}])).toBe(false);
    expect(staleAfter(happened, ["get", "/api/v1/me", {}])).toBe(false);
  });

  test("progress of an operation is told by the allocation that it is about", () => {
    expect(staleAfter(event("operation.progressed", "op_1", { allocation_id: "al_1" }), one("al_1"))).toBe(true);
  });

  test("a GPU that errs refreshes the nodes", () => {
    expect(staleAfter(event("gpu.erred", "nd_1"), ["get", "/api/v1/admin/nodes/{node_id}", { params: { path: { node_id: "nd_1" } } }])).toBe(true);
  });

  test("an event of an unknown kind refreshes nothing", () => {
    expect(staleAfter(event("moon.risen", "x"), ["get", "/api/v1/allocations", {}])).toBe(false);
  });
});

describe("toastFor", () => {
  const active = event("allocation.active", "al_1", { allocation_id: "al_1", name: "notebook" });

  test("speaks of what happens in the background", () => expect(toastFor(active, "/billing")).toContain("notebook"));
  test.each(["allocation.ran_out_of_memory", "allocation.node_restarted", "allocation.gpu_erred"])("says %s, and leaves it there", (type) => {
    const befell = event(type, "al_1", { allocation_id: "al_1", name: "notebook" });
    expect(toastFor(befell, "/billing")).toContain("notebook");
    expect(isFailure(befell)).toBe(true);
  });
  test("is silent about the page in front", () => expect(toastFor(active, "/allocations/al_1")).toBeNull());
  test("is silent about steps", () => expect(toastFor(event("operation.progressed", "op_1"), "/")).toBeNull());
});
