/** What pages read, one hook for each. Only this file and commands.ts know the routes of the API. */
import { keepPreviousData } from "@tanstack/react-query";
import { useEffect } from "react";
import { isTransient } from "~/errors";
import { useLiveInterval } from "~/live/state";
import { allocationState, nodeState, topUpState } from "~/states";
import { api } from "./client";
import type { AllocationState } from "./types";

/** A page of a list, from the cursor in the URL; null is the first page. */
type Paging = { cursor: string | null };

const paged = ({ cursor }: Paging) => (cursor === null ? {} : { cursor });

const ACTIVE_REFRESH_MS = 2_000;
const OPERATION_REFRESH_MS = 1_000;
const PAYMENT_REFRESH_MS = 1_500;
const MOST_IN_A_PAGE = 200;

export const meQuery = () =>
  api.queryOptions("get", "/api/v1/me", {}, { retry: false, staleTime: Number.POSITIVE_INFINITY });

export function useMe() {
  return api.useQuery("get", "/api/v1/me", {}, { retry: false, staleTime: Number.POSITIVE_INFINITY });
}

/** All members of the organization one acts in, page by page; whoever may not read them gets none. */
export function useMembers() {
  const { data: me } = useMe();
  const organization = me?.organization.id ?? "";
  const query = api.useInfiniteQuery(
    "get",
    "/api/v1/organizations/{organization_id}/members",
    { params: { path: { organization_id: organization }, query: { limit: MOST_IN_A_PAGE } } },
    {
      enabled: organization !== "",
      retry: false,
      staleTime: Number.POSITIVE_INFINITY,
      pageParamName: "cursor",
      initialPageParam: null,
      getNextPageParam: ({ next_cursor }) => next_cursor ?? undefined,
    },
  );
  const { hasNextPage, isFetching, isError, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return query.data?.pages.flatMap(({ items }) => items) ?? [];
}

export function useWallet() {
  return api.useQuery("get", "/api/v1/wallet", {}, { refetchInterval: useLiveInterval(30_000) });
}

export function useEntries(paging: Paging) {
  return api.useQuery("get", "/api/v1/wallet/entries", { params: { query: paged(paging) } }, { placeholderData: keepPreviousData });
}

export function useUsage(paging: Paging) {
  return api.useQuery("get", "/api/v1/usage", { params: { query: paged(paging) } }, { placeholderData: keepPreviousData });
}

export function useTopUps(paging: Paging) {
  return api.useQuery("get", "/api/v1/top-ups", { params: { query: paged(paging) } }, { placeholderData: keepPreviousData });
}

/** One top-up, asked for again until the payment has ended one way or the other, or asking again cannot help. */
export function useTopUp(id: string | null) {
  return api.useQuery(
    "get",
    "/api/v1/top-ups/{top_up_id}",
    { params: { path: { top_up_id: id ?? "" } } },
    {
      enabled: id !== null,
      refetchInterval: ({ state: { data, error } }) => {
        if (error !== null && !isTransient(error)) return false;
        return data === undefined || topUpState(data.state).open ? PAYMENT_REFRESH_MS : false;
      },
    },
  );
}

export function useOffers() {
  return api.useQuery("get", "/api/v1/offers", {}, { refetchInterval: useLiveInterval(15_000) });
}

export function useAllocations({ includeEnded, ...paging }: Paging & { includeEnded: boolean }) {
  return api.useQuery(
    "get",
    "/api/v1/allocations",
    { params: { query: { include_ended: includeEnded, ...paged(paging) } } },
    { placeholderData: keepPreviousData, refetchInterval: useLiveInterval(15_000) },
  );
}

/** One allocation; every 2 s while it costs money, every second while something is being done to it. */
export function useAllocation(idOrName: string) {
  const idle = useLiveInterval(15_000);
  return api.useQuery(
    "get",
    "/api/v1/allocations/{id_or_name}",
    { params: { path: { id_or_name: idOrName } } },
    {
      refetchInterval: ({ state }) => {
        if (state.data === undefined) return idle;
        const { underWay, usable } = allocationState(state.data.state);
        if (underWay) return OPERATION_REFRESH_MS;
        return usable ? ACTIVE_REFRESH_MS : idle;
      },
    },
  );
}

export function useCharges(id: string, { cursor, live }: Paging & { live: boolean }) {
  return api.useQuery(
    "get",
    "/api/v1/allocations/{id_or_name}/charges",
    { params: { path: { id_or_name: id }, query: paged({ cursor }) } },
    { placeholderData: keepPreviousData, refetchInterval: live ? 5_000 : false },
  );
}

export function useHistory(id: string, paging: Paging) {
  return api.useQuery(
    "get",
    "/api/v1/allocations/{id_or_name}/history",
    { params: { path: { id_or_name: id }, query: paged(paging) } },
    { placeholderData: keepPreviousData },
  );
}

export function useSshKeys(paging: Paging) {
  return api.useQuery("get", "/api/v1/ssh-keys", { params: { query: paged(paging) } }, { placeholderData: keepPreviousData });
}

export function useApiTokens(paging: Paging) {
  return api.useQuery("get", "/api/v1/api-tokens", { params: { query: paged(paging) } }, { placeholderData: keepPreviousData });
}

export function useSessions(paging: Paging) {
  return api.useQuery("get", "/api/v1/auth/sessions", { params: { query: paged(paging) } }, { placeholderData: keepPreviousData });
}

export function useNodes(paging: Paging) {
  return api.useQuery(
    "get",
    "/api/v1/admin/nodes",
    { params: { query: paged(paging) } },
    { placeholderData: keepPreviousData, refetchInterval: useLiveInterval(15_000) },
  );
}

/** One node; every 2 s while it enrols, so that the checklist is live. */
export function useNode(id: string) {
  const idle = useLiveInterval(15_000);
  return api.useQuery(
    "get",
    "/api/v1/admin/nodes/{node_id}",
    { params: { path: { node_id: id } } },
    { refetchInterval: ({ state }) => (state.data !== undefined && nodeState(state.data.state).enrols ? ACTIVE_REFRESH_MS : idle) },
  );
}

export function useAdminSkus(paging: Paging) {
  return api.useQuery("get", "/api/v1/admin/skus", { params: { query: paged(paging) } }, { placeholderData: keepPreviousData });
}

export function useAdminSku(id: string) {
  return api.useQuery("get", "/api/v1/admin/skus/{sku_id}", { params: { path: { sku_id: id } } });
}

export function usePrices(skuId: string, paging: Paging) {
  return api.useQuery(
    "get",
    "/api/v1/admin/prices",
    { params: { query: { sku_id: skuId, ...paged(paging) } } },
    { placeholderData: keepPreviousData },
  );
}

export function useAdminAllocations({ state, ...paging }: Paging & { state: AllocationState | null }) {
  return api.useQuery(
    "get",
    "/api/v1/admin/allocations",
    { params: { query: { ...(state === null ? {} : { state: [state] }), ...paged(paging) } } },
    { placeholderData: keepPreviousData, refetchInterval: useLiveInterval(15_000) },
  );
}
