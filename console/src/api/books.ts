/** What operators read of money: payments and what goes back, findings, months and reports. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useLiveInterval } from "~/live/state";
import { api } from "./client";
import type { Paging } from "./queries";
import type { DeferredRevenue, DisputeState, MonthReport, PayoutState, RefundRequestState, RefundState, Revenue, Severity, Statement, TrialBalance, Unmetered } from "./types";

const REFRESH_MS = 15_000;
const MOST_IN_A_PAGE = 200;

const listed = { placeholderData: keepPreviousData };

/** What of a query is asked for: without what is null. */
function given<Q extends Record<string, string | number | null | undefined>>(query: Q) {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== null && value !== undefined)) as { [K in keyof Q]?: Exclude<Q[K], null | undefined> };
}

/** A report as it is read on a page: the same address answers with CSV too, which is fetched by a link. */
const json = <T>() => (answer: T | string): T => answer as T;

export const customersQuery = () => api.queryOptions("get", "/api/v1/admin/organizations", { params: { query: { limit: MOST_IN_A_PAGE } } });
export const adminRequestsQuery = (place: Paging & { state: RefundRequestState | null }) =>
  api.queryOptions("get", "/api/v1/admin/refund-requests", { params: { query: given(place) } }, listed);
export const adminRefundsQuery = (place: Paging & { state: RefundState | null }) => api.queryOptions("get", "/api/v1/admin/refunds", { params: { query: given(place) } }, listed);
export const adminPaymentsQuery = ({ organization, cursor }: Paging & { organization: string }) =>
  api.queryOptions("get", "/api/v1/admin/payments", { params: { query: { organization_id: organization, ...given({ cursor }) } } }, listed);
export const creditBudgetQuery = () => api.queryOptions("get", "/api/v1/admin/credit-budget");
export const promoCodesQuery = (place: Paging) => api.queryOptions("get", "/api/v1/admin/promo-codes", { params: { query: given(place) } }, listed);
export const grantsQuery = ({ organization, cursor }: Paging & { organization: string }) =>
  api.queryOptions("get", "/api/v1/admin/credits", { params: { query: given({ organization_id: organization || null, cursor }) } }, listed);
export const evidenceQuery = (id: string) => api.queryOptions("get", "/api/v1/admin/disputes/{dispute_id}/evidence", { params: { path: { dispute_id: id } } });
export const disputesQuery = (place: Paging & { state: DisputeState | null }) => api.queryOptions("get", "/api/v1/admin/disputes", { params: { query: given(place) } }, listed);

export type FindingsPlace = Paging & { state: "open" | "closed" | null; severity: Severity | null; owner_id?: string | null };
export const findingsQuery = (place: FindingsPlace) => api.queryOptions("get", "/api/v1/admin/findings", { params: { query: given(place) } }, listed);
export const findingQuery = (id: string) => api.queryOptions("get", "/api/v1/admin/findings/{finding_id}", { params: { path: { finding_id: id } } });
export const findingOwnersQuery = () => api.queryOptions("get", "/api/v1/admin/finding-owners", { params: { query: { limit: MOST_IN_A_PAGE } } });
/** Whether anything is wrong in a way that loses money or hides that it does. */
export const alarmQuery = () =>
  api.queryOptions("get", "/api/v1/admin/findings", { params: { query: { state: "open", severity: "critical", limit: 5 } } }, { retry: false });

/** What was found about one thing, open or closed. */
export const findingsOfQuery = (type: string, id: string) => api.queryOptions("get", "/api/v1/admin/findings", { params: { query: { subject_type: type, subject_id: id } } });
export const payoutsQuery = (place: Paging & { state: PayoutState | null }) => api.queryOptions("get", "/api/v1/admin/payouts", { params: { query: given(place) } }, listed);
const ofPayout = (id: string) => ({ path: { payout_id: id } });
export const payoutQuery = (id: string) => api.queryOptions("get", "/api/v1/admin/payouts/{payout_id}", { params: ofPayout(id) });
export const payoutTransactionsQuery = (id: string, { cursor }: Paging) =>
  api.queryOptions("get", "/api/v1/admin/payouts/{payout_id}/transactions", { params: { ...ofPayout(id), query: given({ cursor }) } }, listed);

export const monthsQuery = () => api.queryOptions("get", "/api/v1/admin/months");
export const monthQuery = (month: string) => api.queryOptions("get", "/api/v1/admin/months/{month}", { params: { path: { month } } }, { select: json<MonthReport>() });
export const trialBalanceQuery = (at: string | null) => api.queryOptions("get", "/api/v1/admin/reports/trial-balance", { params: { query: given({ at }) } }, { ...listed, select: json<TrialBalance>() });
export const deferredRevenueQuery = (at: string | null) =>
  api.queryOptions("get", "/api/v1/admin/reports/deferred-revenue", { params: { query: given({ at }) } }, { ...listed, select: json<DeferredRevenue>() });
export const revenueQuery = (first: string, last: string) =>
  api.queryOptions("get", "/api/v1/admin/reports/revenue", { params: { query: { first, last } } }, { ...listed, select: json<Revenue>() });
export const unmeteredQuery = (since: string) => api.queryOptions("get", "/api/v1/admin/reports/unmetered", { params: { query: { since } } }, { ...listed, select: json<Unmetered>() });

export type StatementPlace = { organization: string; currency: string; since: string; until: string | null };
export const statementQuery = ({ organization, currency, since, until }: StatementPlace) =>
  api.queryOptions("get", "/api/v1/admin/reports/statement", { params: { query: { organization_id: organization, currency, since, ...given({ until }) } } }, { ...listed, select: json<Statement>() });

export const useCustomers = () => useQuery(customersQuery());

export const useAdminRequests = (place: Parameters<typeof adminRequestsQuery>[0]) => useQuery({ ...adminRequestsQuery(place), refetchInterval: useLiveInterval(REFRESH_MS) });

export const useAdminRefunds = (place: Parameters<typeof adminRefundsQuery>[0]) => useQuery({ ...adminRefundsQuery(place), refetchInterval: useLiveInterval(REFRESH_MS) });

/** The payments of one customer; of none before somebody has chosen one. */
export const useAdminPayments = (organization: string, cursor: string | null = null) =>
  useQuery({ ...adminPaymentsQuery({ organization, cursor }), enabled: organization !== "", refetchInterval: useLiveInterval(REFRESH_MS) });

export const useCreditBudget = () => useQuery({ ...creditBudgetQuery(), refetchInterval: useLiveInterval(REFRESH_MS) });

export const usePromoCodes = (cursor: string | null) => useQuery({ ...promoCodesQuery({ cursor }), refetchInterval: useLiveInterval(REFRESH_MS) });

export const useGrants = (place: Parameters<typeof grantsQuery>[0]) => useQuery({ ...grantsQuery(place), refetchInterval: useLiveInterval(REFRESH_MS) });

export const useDisputes = (place: Parameters<typeof disputesQuery>[0]) => useQuery({ ...disputesQuery(place), refetchInterval: useLiveInterval(REFRESH_MS) });

export const useFindings = (place: FindingsPlace) => useQuery({ ...findingsQuery(place), refetchInterval: useLiveInterval(REFRESH_MS) });

export const useFindingsOf = (type: string, id: string) => useQuery({ ...findingsOfQuery(type, id), refetchInterval: useLiveInterval(REFRESH_MS) });

export const usePayouts = (place: Parameters<typeof payoutsQuery>[0]) => useQuery({ ...payoutsQuery(place), refetchInterval: useLiveInterval(REFRESH_MS) });

export const usePayout = (id: string) => useQuery({ ...payoutQuery(id), refetchInterval: useLiveInterval(REFRESH_MS) });

export const usePayoutTransactions = (id: string, cursor: string | null) => useQuery({ ...payoutTransactionsQuery(id, { cursor }), refetchInterval: useLiveInterval(REFRESH_MS) });

export const useFinding = (id: string) => useQuery({ ...findingQuery(id), refetchInterval: useLiveInterval(REFRESH_MS) });

export const useFindingOwners = () => useQuery(findingOwnersQuery());

export const useAlarm = () => useQuery({ ...alarmQuery(), refetchInterval: useLiveInterval(REFRESH_MS) });
