/** What each page needs from the server. Its route asks for it while the page's code is still on its way. */
import type { QueryClient, QueryKey } from "@tanstack/react-query";
import type { Params } from "react-router";
import * as books from "~/api/books";
import * as read from "~/api/queries";
import { CRITICAL, FAILED_PAYOUTS, OPEN_DISPUTES, placeOf, WAITING } from "~/places";

/** Where a page is: the parameters in its path, and its query. */
export type Place = { params: Params; search: URLSearchParams };

/** Asks for something. What is there already, or is on a page now, is left as it is, for that page to see to. */
type Ask = (query: { queryKey: QueryKey }) => void;

export type Needs = (ask: Ask, place: Place) => void;

/**
 * Fetches ahead for one place. A failure is for the page to tell, which reads the same. What only operators may read
 * waits until it is known that one asks.
 */
export function fetchAhead(client: QueryClient, wanted: Needs, place: Place, whose: "everybody" | "operators" = "everybody"): void {
  const ask: Ask = (query) => {
    const known = client.getQueryCache().find({ queryKey: query.queryKey });
    if (known === undefined || (known.state.data === undefined && !known.isActive())) void client.prefetchQuery(query);
  };
  if (whose === "everybody") wanted(ask, place);
  else {
    const asker = client.ensureQueryData(read.meQuery());
    asker.then(({ platform_roles }) => platform_roles.length > 0 && wanted(ask, place), () => undefined);
  }
}

const idIn = ({ params: { id = "" } }: Place) => id;

const BILLING = { charges: read.usageQuery, "top-ups": read.topUpsQuery, cards: read.cardsQuery, limits: read.spendingLimitsQuery, credits: read.creditsQuery, refunds: read.paymentsQuery };
const SETTINGS = { keys: read.sshKeysQuery, tokens: read.apiTokensQuery, sessions: read.sessionsQuery };

export const needs = {
  nothing: () => undefined,
  signUp: (ask) => ask(read.termsQuery()),
  me: (ask) => ask(read.meQuery()),
  customer(ask) {
    ask(read.walletQuery());
    ask(read.unreadQuery());
  },
  operator(ask) {
    ask(books.alarmQuery());
    ask(read.unreadQuery());
  },
  inbox(ask, { search }) {
    ask(read.noticesQuery(placeOf.list(search)));
    ask(read.emailQuery());
  },
  email: (ask) => ask(read.emailQuery()),
  allocations: (ask, { search }) => ask(read.allocationsQuery(placeOf.allocations(search))),
  allocation(ask, place) {
    const { charges, history } = placeOf.allocation(place.search);
    ask(read.allocationQuery(idIn(place)));
    ask(read.chargesQuery(idIn(place), { cursor: charges }));
    ask(read.historyQuery(idIn(place), { cursor: history }));
  },
  terminal: (ask, place) => ask(read.allocationQuery(idIn(place))),
  launch(ask, { params, search }) {
    const topUp = search.get("top_up");
    ask(read.offersQuery());
    if (params.key !== undefined && topUp !== null) ask(read.topUpQuery(topUp));
  },
  billing(ask, { search }) {
    const { view, topUp, cardSetup, cursor, ledger, month, requests, sent } = placeOf.billing(search);
    if (view === "month") ask(read.usageByDayQuery(month));
    else if (view === "ledger") ask(read.entriesQuery(ledger));
    else ask(BILLING[view]({ cursor }));
    if (view === "cards") ask(read.autoTopUpQuery());
    if (view === "refunds") {
      ask(read.refundRequestsQuery({ cursor: requests }));
      ask(read.ownRefundsQuery({ cursor: sent }));
    }
    if (cardSetup !== null) ask(read.cardSetupQuery(cardSetup));
    if (topUp !== null) ask(read.topUpQuery(topUp));
  },
  settings(ask, { search }) {
    const { view, cursor } = placeOf.settings(search);
    if (view === "notices") {
      ask(read.noticePreferencesQuery());
      ask(read.emailQuery());
    } else ask(SETTINGS[view]({ cursor }));
  },
  nodes: (ask, { search }) => ask(read.nodesQuery(placeOf.list(search))),
  node: (ask, place) => ask(read.nodeQuery(idIn(place))),
  skus: (ask, { search }) => ask(read.skusQuery(placeOf.list(search))),
  prices(ask, place) {
    ask(read.skuQuery(idIn(place)));
    ask(read.pricesQuery(idIn(place), placeOf.list(place.search)));
  },
  helpers(ask, { search }) {
    const { drift, rollouts } = placeOf.helpers(search);
    ask(read.helperVersionsQuery());
    ask(read.helperDriftQuery({ cursor: drift }));
    ask(read.rolloutsQuery({ cursor: rollouts }));
  },
  rollout(ask, place) {
    ask(read.rolloutQuery(idIn(place)));
    ask(read.upgradesQuery(idIn(place), placeOf.list(place.search)));
  },
  approvals: (ask, { search }) => ask(read.approvalsQuery(placeOf.approvals(search))),
  money(ask) {
    ask(books.customersQuery());
    ask(books.findingsQuery(CRITICAL));
    ask(books.adminRequestsQuery(WAITING));
    ask(books.disputesQuery(OPEN_DISPUTES));
    ask(books.payoutsQuery(FAILED_PAYOUTS));
    ask(books.deferredRevenueQuery(null));
    ask(books.trialBalanceQuery(null));
  },
  requests(ask, { search }) {
    ask(books.customersQuery());
    ask(books.adminRequestsQuery(placeOf.requests(search)));
  },
  refunds(ask, { search }) {
    ask(books.customersQuery());
    ask(books.adminRefundsQuery(placeOf.refunds(search)));
  },
  payments(ask, { search }) {
    const { organization, cursor } = placeOf.payments(search);
    ask(books.customersQuery());
    if (organization !== "") ask(books.adminPaymentsQuery({ organization, cursor }));
  },
  credits(ask, { search }) {
    const { organization, codes, grants } = placeOf.credits(search);
    ask(books.customersQuery());
    ask(books.creditBudgetQuery());
    ask(books.promoCodesQuery({ cursor: codes }));
    ask(books.grantsQuery({ organization, cursor: grants }));
  },
  disputes(ask, { search }) {
    ask(books.customersQuery());
    ask(books.disputesQuery(placeOf.disputes(search)));
  },
  payouts: (ask, { search }) => ask(books.payoutsQuery(placeOf.payouts(search))),
  payout(ask, place) {
    ask(books.payoutQuery(idIn(place)));
    ask(books.findingsOfQuery("payout", idIn(place)));
    ask(books.payoutTransactionsQuery(idIn(place), placeOf.list(place.search)));
  },
  findings(ask, { search }) {
    ask(books.findingOwnersQuery());
    ask(books.findingsQuery(placeOf.findings(search)));
  },
  finding(ask, place) {
    ask(books.findingOwnersQuery());
    ask(books.findingQuery(idIn(place)));
  },
  ledger(ask, { search }) {
    const place = placeOf.statement(search);
    ask(books.customersQuery());
    if (place !== null) ask(books.statementQuery(place));
  },
  months: (ask) => ask(books.monthsQuery()),
  month: (ask, { params: { month = "" } }) => ask(books.monthQuery(month)),
  reports(ask, { search }) {
    const { at, since } = placeOf.reports(search);
    ask(books.trialBalanceQuery(at));
    ask(books.deferredRevenueQuery(at));
    ask(books.monthsQuery());
    if (since !== null) ask(books.unmeteredQuery(since));
  },
  adminAllocations: (ask, { search }) => ask(read.adminAllocationsQuery(placeOf.adminAllocations(search))),
} satisfies Record<string, Needs>;
