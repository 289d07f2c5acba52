/** How pages follow what they read: one hook for each query that is asked again while it is shown. */
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { isTransient } from "~/errors";
import { useLiveInterval } from "~/live/state";
import { allocationState, nodeState, rolloutPhase, topUpState } from "~/states";
import { api } from "./client";
import * as read from "./queries";
import { allocationQuery, autoTopUpQuery, cardSetupQuery, cardsQuery, allocationsQuery, adminAllocationsQuery, chargesQuery, meQuery, nodeQuery, nodesQuery, offersQuery, startupQuery, topUpQuery, walletQuery } from "./queries";

const ACTIVE_REFRESH_MS = 2_000;
const CHARGES_REFRESH_MS = 5_000;
const OPERATION_REFRESH_MS = 1_000;
const PAYMENT_REFRESH_MS = 1_500;
const LIST_REFRESH_MS = 15_000;
const WALLET_REFRESH_MS = 30_000;
const MOST_IN_A_PAGE = 200;

export const useMe = () => useQuery(meQuery());

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

/** How much is unread; the events channel tells of more. */
export const useUnread = () => useQuery({ ...read.unreadQuery(), refetchInterval: useLiveInterval(WALLET_REFRESH_MS) });

export const useWallet = () => useQuery({ ...walletQuery(), refetchInterval: useLiveInterval(WALLET_REFRESH_MS) });

/** One top-up, asked for again until the payment has ended one way or the other, or asking again cannot help. */
export function useTopUp(id: string) {
  return useQuery({
    ...topUpQuery(id),
    refetchInterval: ({ state: { data, error } }) => {
      if (error !== null && !isTransient(error)) return false;
      return data === undefined || topUpState(data.state).open ? PAYMENT_REFRESH_MS : false;
    },
  });
}

export const useCards = (cursor: string | null) => useQuery(cardsQuery({ cursor }));

export const useAutoTopUp = () => useQuery({ ...autoTopUpQuery(), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

export const useSpendingLimits = (cursor: string | null) => useQuery({ ...read.spendingLimitsQuery({ cursor }), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

export const useCredits = (cursor: string | null) => useQuery({ ...read.creditsQuery({ cursor }), refetchInterval: useLiveInterval(WALLET_REFRESH_MS) });

/** What a month cost, day by day, and what it comes to. */
export const useUsageByDay = (month: string | null) => useQuery({ ...read.usageByDayQuery(month), refetchInterval: useLiveInterval(WALLET_REFRESH_MS) });

export const usePayments = (cursor: string | null) => useQuery({ ...read.paymentsQuery({ cursor }), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

export const useRefundRequests = (cursor: string | null) => useQuery({ ...read.refundRequestsQuery({ cursor }), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

export const useOwnRefunds = (cursor: string | null) => useQuery({ ...read.ownRefundsQuery({ cursor }), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

/** The saving of a card, asked for again until it has ended, or asking again cannot help. */
export function useCardSetup(id: string) {
  return useQuery({
    ...cardSetupQuery(id),
    refetchInterval: ({ state: { data, error } }) => {
      if (error !== null && !isTransient(error)) return false;
      return data === undefined || data.state === "pending" ? PAYMENT_REFRESH_MS : false;
    },
  });
}

/** How a startup script fares and what it wrote, asked for again until it has ended. */
export const useStartup = (id: string) =>
  useQuery({ ...startupQuery(id), refetchInterval: ({ state: { data } }) => (data !== undefined && data.ended_by === null ? ACTIVE_REFRESH_MS : false) });

export const useOffers = () => useQuery({ ...offersQuery(), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

export const useAllocations = (place: Parameters<typeof allocationsQuery>[0]) =>
  useQuery({ ...allocationsQuery(place), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

/** One allocation; every 2 s while it costs money, every second while something is being done to it. */
export function useAllocation(id: string) {
  const idle = useLiveInterval(LIST_REFRESH_MS);
  return useQuery({
    ...allocationQuery(id),
    refetchInterval: ({ state: { data } }) => {
      if (data === undefined) return idle;
      const { underWay, usable } = allocationState(data.state);
      if (underWay) return OPERATION_REFRESH_MS;
      return usable ? ACTIVE_REFRESH_MS : idle;
    },
  });
}

/** The charges of an allocation; `live` while more are added. */
export const useCharges = (id: string, cursor: string | null, live: boolean) =>
  useQuery({ ...chargesQuery(id, { cursor }), refetchInterval: live ? CHARGES_REFRESH_MS : false });

export const useNodes = (cursor: string | null) => useQuery({ ...nodesQuery({ cursor }), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

/** One node; every 2 s while it enrols, so that the checklist is live. */
export function useNode(id: string, enabled = true) {
  const idle = useLiveInterval(LIST_REFRESH_MS);
  return useQuery({
    ...nodeQuery(id),
    enabled,
    refetchInterval: ({ state: { data } }) => (data !== undefined && nodeState(data.state).enrols ? ACTIVE_REFRESH_MS : idle),
  });
}

export const useAdminAllocations = (place: Parameters<typeof adminAllocationsQuery>[0]) =>
  useQuery({ ...adminAllocationsQuery(place), refetchInterval: useLiveInterval(LIST_REFRESH_MS) });

/** The helpers of the fleet; every 2 s while one is on its way. */
export function useHelperVersions() {
  const idle = useLiveInterval(LIST_REFRESH_MS);
  return useQuery({
    ...read.helperVersionsQuery(),
    refetchInterval: ({ state: { data } }) => (data?.rollout && rolloutPhase(data.rollout.phase).underWay ? ACTIVE_REFRESH_MS : idle),
  });
}

/** A list about helpers, asked for again as fast as what it tells changes. */
export function useHelperDrift(cursor: string | null, underWay: boolean) {
  const idle = useLiveInterval(LIST_REFRESH_MS);
  return useQuery({ ...read.helperDriftQuery({ cursor }), refetchInterval: underWay ? ACTIVE_REFRESH_MS : idle });
}

export function useRollouts(cursor: string | null, underWay: boolean) {
  const idle = useLiveInterval(LIST_REFRESH_MS);
  return useQuery({ ...read.rolloutsQuery({ cursor }), refetchInterval: underWay ? ACTIVE_REFRESH_MS : idle });
}

/** One rollout; every 2 s while it goes on. */
export const useRollout = (id: string) =>
  useQuery({ ...read.rolloutQuery(id), refetchInterval: ({ state: { data } }) => (data !== undefined && rolloutPhase(data.phase).underWay ? ACTIVE_REFRESH_MS : false) });

export const useUpgrades = (id: string, cursor: string | null, underWay: boolean) =>
  useQuery({ ...read.upgradesQuery(id, { cursor }), refetchInterval: underWay ? ACTIVE_REFRESH_MS : false });

export function useApprovals(place: Parameters<typeof read.approvalsQuery>[0], enabled = true) {
  const idle = useLiveInterval(LIST_REFRESH_MS);
  return useQuery({ ...read.approvalsQuery(place), refetchInterval: idle, enabled });
}
