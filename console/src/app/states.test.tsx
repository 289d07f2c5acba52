import { screen } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { hangs, refuses } from "~/testing/server";
import type { Route } from "~mock/api";
import { busy } from "~mock/busy";
import { begin } from "~mock/world";

beforeEach(() => begin({ ...busy(Date.now()), stepMs: null }));

/** Each page that shows something fetched: its address, and what it asks for. */
const PAGES: [address: string, route: Route<"get">][] = [
  ["/", "/api/v1/allocations"],
  ["/launch", "/api/v1/offers"],
  ["/allocations/al_1", "/api/v1/allocations/{id_or_name}"],
  ["/allocations/al_1", "/api/v1/allocations/{id_or_name}/charges"],
  ["/allocations/al_1", "/api/v1/allocations/{id_or_name}/history"],
  ["/billing", "/api/v1/usage/by-day"],
  ["/billing?view=ledger", "/api/v1/wallet/entries"],
  ["/billing?view=charges", "/api/v1/usage"],
  ["/billing?view=top-ups", "/api/v1/top-ups"],
  ["/billing?view=cards", "/api/v1/payment-methods"],
  ["/billing?view=cards", "/api/v1/auto-top-up"],
  ["/billing?view=limits", "/api/v1/spending-limits"],
  ["/billing?view=credits", "/api/v1/credits"],
  ["/billing?view=refunds", "/api/v1/payments"],
  ["/billing?view=refunds", "/api/v1/refund-requests"],
  ["/billing?view=refunds", "/api/v1/refunds"],
  ["/settings", "/api/v1/ssh-keys"],
  ["/settings?view=tokens", "/api/v1/api-tokens"],
  ["/inbox", "/api/v1/notices"],
  ["/settings?view=notices", "/api/v1/notices/preferences"],
  ["/settings?view=sessions", "/api/v1/auth/sessions"],
  ["/operator/nodes", "/api/v1/admin/nodes"],
  ["/operator/nodes/nd_1", "/api/v1/admin/nodes/{node_id}"],
  ["/operator/skus", "/api/v1/admin/skus"],
  ["/operator/skus/sku_1", "/api/v1/admin/prices"],
  ["/operator/allocations", "/api/v1/admin/allocations"],
  ["/operator/money/requests", "/api/v1/admin/refund-requests"],
  ["/operator/money/refunds", "/api/v1/admin/refunds"],
  ["/operator/money/payments?organization=org_1", "/api/v1/admin/payments"],
  ["/operator/money/credits", "/api/v1/admin/credit-budget"],
  ["/operator/money/credits", "/api/v1/admin/promo-codes"],
  ["/operator/money/credits", "/api/v1/admin/credits"],
  ["/operator/money/disputes", "/api/v1/admin/disputes"],
  ["/operator/money/payouts", "/api/v1/admin/payouts"],
  ["/operator/money/payouts/po_1", "/api/v1/admin/payouts/{payout_id}"],
  ["/operator/money/payouts/po_1", "/api/v1/admin/payouts/{payout_id}/transactions"],
  ["/operator/money/findings", "/api/v1/admin/findings"],
  ["/operator/money/findings/fnd_1", "/api/v1/admin/findings/{finding_id}"],
  ["/operator/money/months", "/api/v1/admin/months"],
  ["/operator/money/months/2026-10", "/api/v1/admin/months/{month}"],
];

describe.each(PAGES)("the page at %s, which shows %s,", (address, route) => {
  test("says that it loads", async () => {
    hangs("get", route);
    renderAt(address);
    expect((await screen.findAllByText("Loading")).length).toBeGreaterThan(0);
  });

  test("keeps what it has when a refresh fails, and says how old it is", async () => {
    const { client } = renderAt(address);
    const holds = () => client.getQueryCache().getAll().filter(({ queryKey, state }) => queryKey[1] === route && state.data !== undefined);
    await expect.poll(holds).not.toHaveLength(0);
    refuses("get", route);
    await client.refetchQueries({ predicate: ({ queryKey }) => queryKey[1] === route });
    expect((await screen.findAllByText(/^Updated .* ago/)).length).toBeGreaterThan(0);
    expect(screen.queryByText("Loading")).toBeNull();
  });
});
