/** What pages read, each as a description that a route can fetch ahead and a page can follow. */
import { keepPreviousData } from "@tanstack/react-query";
import { api } from "./client";
import type { AllocationState, Answer, ApprovalState } from "./types";

/** A page of a list, from the cursor in the URL; null is the first page. */
export type Paging = { cursor: string | null };

const paged = ({ cursor }: Paging) => (cursor === null ? {} : { cursor });

/** While the next page of a list is fetched, the last one stays. */
const listed = { placeholderData: keepPreviousData };

/** Who asks. That nobody does is an answer too, and holds until somebody signs in. */
export const meQuery = () => api.queryOptions("get", "/api/v1/me", {}, { retry: false, retryOnMount: false, staleTime: Number.POSITIVE_INFINITY });

export const termsQuery = () => api.queryOptions("get", "/api/v1/auth/terms");

export const unreadQuery = () => api.queryOptions("get", "/api/v1/notices/unread");
export const noticesQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/notices", { params: { query: paged(paging) } }, listed);
export const noticePreferencesQuery = () => api.queryOptions("get", "/api/v1/notices/preferences");
export const emailQuery = () => api.queryOptions("get", "/api/v1/me/email");

export const walletQuery = () => api.queryOptions("get", "/api/v1/wallet");
export type EntriesPlace = Paging & { kind: string | null; search: string | null; since: string | null; until: string | null };
/** What a list is narrowed to: without what is null. */
const narrowed = (asked: Record<string, string | null>) => Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null));
type Entries = Answer<"/api/v1/wallet/entries", "get", 200>;
export const entriesQuery = (place: EntriesPlace) =>
  api.queryOptions("get", "/api/v1/wallet/entries", { params: { query: narrowed(place) } }, { ...listed, select: (answer: Entries | string): Entries => answer as Entries });
export const usageQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/usage", { params: { query: paged(paging) } }, listed);
export const usageByDayQuery = (month: string | null) =>
  api.queryOptions("get", "/api/v1/usage/by-day", { params: { query: month === null ? {} : { month } } }, listed);
export const topUpsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/top-ups", { params: { query: paged(paging) } }, listed);
export const topUpQuery = (id: string) => api.queryOptions("get", "/api/v1/top-ups/{top_up_id}", { params: { path: { top_up_id: id } } });

export const cardsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/payment-methods", { params: { query: paged(paging) } }, listed);
export const cardSetupQuery = (id: string) => api.queryOptions("get", "/api/v1/payment-method-setups/{card_setup_id}", { params: { path: { card_setup_id: id } } });
export const autoTopUpQuery = () => api.queryOptions("get", "/api/v1/auto-top-up");

export const spendingLimitsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/spending-limits", { params: { query: paged(paging) } }, listed);
export const creditsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/credits", { params: { query: paged(paging) } }, listed);

export const paymentsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/payments", { params: { query: paged(paging) } }, listed);
export const refundRequestsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/refund-requests", { params: { query: paged(paging) } }, listed);
export const ownRefundsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/refunds", { params: { query: paged(paging) } }, listed);

export const offersQuery = () => api.queryOptions("get", "/api/v1/offers");

export const allocationsQuery = ({ includeEnded, labels, ...paging }: Paging & { includeEnded: boolean; labels: string[] }) =>
  api.queryOptions(
    "get",
    "/api/v1/allocations",
    { params: { query: { include_ended: includeEnded, ...(labels.length === 0 ? {} : { label: labels }), ...paged(paging) } } },
    listed,
  );

const ofAllocation = (id: string) => ({ path: { id_or_name: id } });
export const allocationQuery = (id: string) => api.queryOptions("get", "/api/v1/allocations/{id_or_name}", { params: ofAllocation(id) });
export const startupQuery = (id: string) => api.queryOptions("get", "/api/v1/allocations/{id_or_name}/startup", { params: ofAllocation(id) });
export const chargesQuery = (id: string, paging: Paging) =>
  api.queryOptions("get", "/api/v1/allocations/{id_or_name}/charges", { params: { ...ofAllocation(id), query: paged(paging) } }, listed);
export const historyQuery = (id: string, paging: Paging) =>
  api.queryOptions("get", "/api/v1/allocations/{id_or_name}/history", { params: { ...ofAllocation(id), query: paged(paging) } }, listed);

export const sshKeysQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/ssh-keys", { params: { query: paged(paging) } }, listed);
export const apiTokensQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/api-tokens", { params: { query: paged(paging) } }, listed);
export const sessionsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/auth/sessions", { params: { query: paged(paging) } }, listed);

export const nodesQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/admin/nodes", { params: { query: paged(paging) } }, listed);
export const nodeQuery = (id: string) => api.queryOptions("get", "/api/v1/admin/nodes/{node_id}", { params: { path: { node_id: id } } });
export const skusQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/admin/skus", { params: { query: paged(paging) } }, listed);
export const skuQuery = (id: string) => api.queryOptions("get", "/api/v1/admin/skus/{sku_id}", { params: { path: { sku_id: id } } });
export const pricesQuery = (skuId: string, paging: Paging) =>
  api.queryOptions("get", "/api/v1/admin/prices", { params: { query: { sku_id: skuId, ...paged(paging) } } }, listed);
export const adminAllocationsQuery = ({ state, ...paging }: Paging & { state: AllocationState | null }) =>
  api.queryOptions(
    "get",
    "/api/v1/admin/allocations",
    { params: { query: { ...(state === null ? {} : { state: [state] }), ...paged(paging) } } },
    listed,
  );

export const helperVersionsQuery = () => api.queryOptions("get", "/api/v1/admin/helper-versions");
export const helperDriftQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/admin/helper-drift", { params: { query: paged(paging) } }, listed);
export const rolloutsQuery = (paging: Paging) => api.queryOptions("get", "/api/v1/admin/helper-rollouts", { params: { query: paged(paging) } }, listed);
const ofRollout = (id: string) => ({ path: { rollout_id: id } });
export const rolloutQuery = (id: string) => api.queryOptions("get", "/api/v1/admin/helper-rollouts/{rollout_id}", { params: ofRollout(id) });
export const upgradesQuery = (id: string, paging: Paging) =>
  api.queryOptions("get", "/api/v1/admin/helper-rollouts/{rollout_id}/nodes", { params: { ...ofRollout(id), query: paged(paging) } }, listed);

export const approvalsQuery = ({ state, subject, ...paging }: Paging & { state: ApprovalState | null; subject?: string }) =>
  api.queryOptions(
    "get",
    "/api/v1/admin/approvals",
    { params: { query: { ...(state === null ? {} : { state }), ...(subject === undefined ? {} : { subject }), ...paged(paging) } } },
    listed,
  );
