/**
 * What is no longer true after a change: after each of our own requests that change something, by its route, and after
 * each kind of event that the server tells of. The type checker knows the routes; no other file names what to ask again.
 */
import type { QueryClient } from "@tanstack/react-query";
import type { PathsWithMethod } from "openapi-typescript-helpers";
import type { paths } from "./schema";

export type Read = PathsWithMethod<paths, "get">;

type Changing = "post" | "patch" | "put" | "delete";
type Write = { [M in Changing]: `${M} ${PathsWithMethod<paths, M>}` }[Changing];

const ONE_ALLOCATION = [
  "/api/v1/allocations/{id_or_name}",
  "/api/v1/allocations/{id_or_name}/charges",
  "/api/v1/allocations/{id_or_name}/history",
  "/api/v1/allocations/{id_or_name}/startup",
] as const satisfies Read[];
const ALLOCATIONS = ["/api/v1/allocations", ...ONE_ALLOCATION, "/api/v1/admin/allocations"] as const satisfies Read[];
const WALLET = ["/api/v1/wallet", "/api/v1/wallet/entries", "/api/v1/usage/by-day"] as const satisfies Read[];
const TOP_UPS = ["/api/v1/top-ups", "/api/v1/top-ups/{top_up_id}"] as const satisfies Read[];
const CARDS = ["/api/v1/payment-methods", "/api/v1/auto-top-up"] as const satisfies Read[];
const REFUND_REQUESTS = ["/api/v1/refund-requests", "/api/v1/admin/refund-requests"] as const satisfies Read[];
/** What money that goes back, or is corrected, has a part in. */
const GIVEN_BACK = [
  ...REFUND_REQUESTS,
  ...WALLET,
  "/api/v1/payments",
  "/api/v1/refunds",
  "/api/v1/admin/payments",
  "/api/v1/admin/refunds",
  "/api/v1/admin/approvals",
  "/api/v1/admin/reports/trial-balance",
  "/api/v1/admin/reports/deferred-revenue",
  "/api/v1/admin/reports/statement",
] as const satisfies Read[];
/** A limit decides what may be launched and resumed. */
const LIMITED = ["/api/v1/spending-limits", "/api/v1/offers", "/api/v1/allocations/{id_or_name}"] as const satisfies Read[];
/** What operators give, out of the budget or with a second person. */
const CREDIT = [
  "/api/v1/admin/credits",
  "/api/v1/admin/credit-budget",
  "/api/v1/admin/promo-codes",
  "/api/v1/admin/approvals",
  "/api/v1/admin/reports/trial-balance",
  "/api/v1/admin/reports/deferred-revenue",
  "/api/v1/admin/reports/statement",
] as const satisfies Read[];
const NOTICES = ["/api/v1/notices", "/api/v1/notices/unread"] as const satisfies Read[];
const NODES = ["/api/v1/admin/nodes", "/api/v1/admin/nodes/{node_id}"] as const satisfies Read[];
const HELPERS = [
  "/api/v1/admin/helper-versions",
  "/api/v1/admin/helper-drift",
  "/api/v1/admin/helper-rollouts",
  "/api/v1/admin/helper-rollouts/{rollout_id}",
  "/api/v1/admin/helper-rollouts/{rollout_id}/nodes",
] as const satisfies Read[];
const SKUS = ["/api/v1/admin/skus", "/api/v1/admin/skus/{sku_id}", "/api/v1/offers"] as const satisfies Read[];
/** What all that happens to an allocation has a part in: funds are held or charged, and capacity is claimed or free. */
const WORK = [...ALLOCATIONS, ...WALLET, "/api/v1/usage", "/api/v1/offers", ...NODES] as const satisfies Read[];

/** Who signs in or out begins with nothing: what was read before is forgotten, not asked again. */
const NOTHING: Read[] = [];

export const STALE_AFTER = {
  "post /api/v1/auth/signup": NOTHING,
  "post /api/v1/auth/login": NOTHING,
  "post /api/v1/auth/logout": NOTHING,
  // What could not be done before can be done now.
  "post /api/v1/admin/disputes/{dispute_id}/evidence": ["/api/v1/admin/disputes", "/api/v1/admin/disputes/{dispute_id}", "/api/v1/admin/disputes/{dispute_id}/evidence"],
  "post /api/v1/me/terms": ["/api/v1/me", "/api/v1/wallet", ...TOP_UPS, ...CARDS],
  "delete /api/v1/auth/sessions/{session_id}": ["/api/v1/auth/sessions"],
  "post /api/v1/notices/{notice_id}/read": NOTICES,
  "post /api/v1/notices/read": NOTICES,
  "patch /api/v1/notices/preferences": ["/api/v1/notices/preferences"],
  "post /api/v1/me/email/verifications": ["/api/v1/me/email"],
  "post /api/v1/me/email/confirmation": ["/api/v1/me/email", "/api/v1/me"],
  "post /api/v1/allocations": WORK,
  "patch /api/v1/allocations/{id_or_name}": ALLOCATIONS,
  "post /api/v1/allocations/{id_or_name}/release": WORK,
  "post /api/v1/allocations/{id_or_name}/suspend": WORK,
  "post /api/v1/allocations/{id_or_name}/resume": WORK,
  "post /api/v1/allocations/{id_or_name}/restart-elsewhere": WORK,
  "post /api/v1/allocations/{id_or_name}/ports": ONE_ALLOCATION,
  "delete /api/v1/allocations/{id_or_name}/ports/{port_id}": ONE_ALLOCATION,
  "post /api/v1/top-ups": TOP_UPS,
  "post /api/v1/top-ups/{top_up_id}/confirm": TOP_UPS,
  "post /api/v1/payment-methods": CARDS,
  "post /api/v1/payment-methods/{card_id}/default": CARDS,
  "delete /api/v1/payment-methods/{card_id}": CARDS,
  "patch /api/v1/auto-top-up": CARDS,
  "delete /api/v1/auto-top-up": CARDS,
  "patch /api/v1/spending-limits/{limit_id}": LIMITED,
  "delete /api/v1/spending-limits/{limit_id}": LIMITED,
  "post /api/v1/promo-codes/redeem": ["/api/v1/credits", ...WALLET, "/api/v1/offers"],
  "post /api/v1/refund-requests": REFUND_REQUESTS,
  "post /api/v1/refund-requests/{refund_request_id}/withdraw": REFUND_REQUESTS,
  "post /api/v1/admin/refund-requests/{request_id}/grant": GIVEN_BACK,
  "post /api/v1/admin/refund-requests/{request_id}/decline": REFUND_REQUESTS,
  "post /api/v1/admin/refunds": GIVEN_BACK,
  "post /api/v1/admin/adjustments": GIVEN_BACK,
  "post /api/v1/admin/credits": CREDIT,
  "post /api/v1/admin/promo-codes": CREDIT,
  "post /api/v1/admin/promo-codes/{promo_code_id}/end": ["/api/v1/admin/promo-codes"],
  "post /api/v1/admin/months/{month}/close": ["/api/v1/admin/months", "/api/v1/admin/months/{month}"],
  "post /api/v1/admin/findings/{finding_id}/resolve": ["/api/v1/admin/findings", "/api/v1/admin/findings/{finding_id}"],
  "post /api/v1/admin/findings/{finding_id}/assign": ["/api/v1/admin/findings", "/api/v1/admin/findings/{finding_id}"],
  "post /api/v1/ssh-keys": ["/api/v1/ssh-keys"],
  "delete /api/v1/ssh-keys/{key_id}": ["/api/v1/ssh-keys"],
  "post /api/v1/api-tokens": ["/api/v1/api-tokens"],
  "delete /api/v1/api-tokens/{token_id}": ["/api/v1/api-tokens"],
  "post /api/v1/admin/nodes": NODES,
  "patch /api/v1/admin/nodes/{node_id}": NODES,
  "delete /api/v1/admin/nodes/{node_id}": ["/api/v1/admin/nodes"],
  "post /api/v1/admin/nodes/{node_id}/cordon": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/quarantine": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/drain": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/stop-drain": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/maintenance": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/quarantine": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/self-test": NODES,
  "post /api/v1/admin/nodes/{node_id}/put-back": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/retire": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/force-release": [...NODES, "/api/v1/offers", "/api/v1/admin/approvals"],
  "post /api/v1/admin/nodes/{node_id}/ports": NODES,
  "post /api/v1/admin/helper-rollouts": HELPERS,
  "post /api/v1/admin/helper-rollouts/{rollout_id}/stop": HELPERS,
  "post /api/v1/admin/approvals/{approval_id}/approve": ["/api/v1/admin/approvals"],
  "post /api/v1/admin/approvals/{approval_id}/reject": ["/api/v1/admin/approvals"],
  "post /api/v1/admin/nodes/{node_id}/uncordon": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/nodes/{node_id}/join-token": NODES,
  "post /api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/clear": [...NODES, "/api/v1/offers"],
  "post /api/v1/admin/skus": SKUS,
  "patch /api/v1/admin/skus/{sku_id}": SKUS,
  "post /api/v1/admin/prices": [...SKUS, "/api/v1/admin/prices"],
} as const satisfies Partial<Record<Write, readonly Read[]>>;

/** Kinds of events, each by the part of its type before the dot. */
export const STALE_AFTER_EVENT = {
  allocation: [...ALLOCATIONS, "/api/v1/offers", "/api/v1/spending-limits", ...NODES],
  operation: ONE_ALLOCATION,
  wallet: [...WALLET, "/api/v1/usage", "/api/v1/offers", "/api/v1/credits", "/api/v1/spending-limits"],
  spending_limit: LIMITED,
  spending: ["/api/v1/spending-limits"],
  top_up: [...TOP_UPS, ...WALLET, "/api/v1/auto-top-up"],
  card: [...CARDS, "/api/v1/payment-method-setups/{card_setup_id}"],
  card_setup: ["/api/v1/payment-method-setups/{card_setup_id}"],
  auto_top_up: CARDS,
  refund: GIVEN_BACK,
  refund_request: REFUND_REQUESTS,
  dispute: [...WALLET, "/api/v1/payments", "/api/v1/admin/disputes"],
  payout: ["/api/v1/admin/payouts", "/api/v1/admin/payouts/{payout_id}", "/api/v1/admin/payouts/{payout_id}/transactions"],
  notice: NOTICES,
  node: [...NODES, "/api/v1/offers"],
  gpu: [...NODES, "/api/v1/offers"],
} as const satisfies Record<string, readonly Read[]>;

/** The route that a query reads. */
export function routeOf(queryKey: readonly unknown[]): unknown {
  return queryKey[1];
}

/** Asks again what is read from these routes, wherever a page shows it; done when all of that has been answered. */
export function refresh(client: QueryClient, reads: readonly Read[]): Promise<void> {
  const stale = new Set<unknown>(reads);
  return client.invalidateQueries({ predicate: ({ queryKey }) => stale.has(routeOf(queryKey)) });
}

/** Asks everything again but who is signed in: for when there is no telling what has changed. */
export function refreshAll(client: QueryClient): Promise<void> {
  const who: Read = "/api/v1/me";
  return client.invalidateQueries({ predicate: ({ queryKey }) => routeOf(queryKey) !== who });
}
