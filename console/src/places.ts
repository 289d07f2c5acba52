/** What an address of the console asks for, read in one place: by the page, and by what fetches ahead for it. */
import { DISPUTE_STATES, oneOf, PAYOUT_STATES, REFUND_REQUEST_STATES, REFUND_STATES, SEVERITIES } from "./moneyStates";
import { BILLING_VIEWS, SETTINGS_VIEWS } from "./paths";
import { isAllocationState, isApprovalState } from "./states";

/** The names in the query; a second list on a page has its own cursor. */
export const CURSOR = "cursor";
export const HISTORY_CURSOR = "history";
export const ENDED = "ended";
export const LABEL = "label";
export const REQUESTS_CURSOR = "requests";
export const SENT_CURSOR = "sent";
export const GRANTS_CURSOR = "given";
export const ROLLOUTS_CURSOR = "rollouts";

/** What of money waits for somebody, as the overview shows it: first pages, whatever the address says. */
export const CRITICAL = { state: "open", severity: "critical", cursor: null } as const;
export const WAITING = { state: "requested", cursor: null } as const;
export const FAILED_PAYOUTS = { state: "failed", cursor: null } as const;
export const OPEN_DISPUTES = { state: "open", cursor: null } as const;

const cursorIn = (search: URLSearchParams) => search.get(CURSOR);

export const placeOf = {
  list: (search: URLSearchParams) => ({ cursor: cursorIn(search) }),
  allocations: (search: URLSearchParams) => ({ includeEnded: search.get(ENDED) === "1", labels: search.getAll(LABEL), cursor: cursorIn(search) }),
  allocation: (search: URLSearchParams) => ({ charges: cursorIn(search), history: search.get(HISTORY_CURSOR) }),
  billing: (search: URLSearchParams) => ({
    view: BILLING_VIEWS.find((name) => name === search.get("view")) ?? BILLING_VIEWS[0],
    topUp: search.get("top_up"),
    cardSetup: search.get("card_setup"),
    cancelled: search.get("cancelled") !== null,
    ledger: { kind: search.get("kind"), search: search.get("search"), since: search.get("since"), until: search.get("until"), cursor: cursorIn(search) },
    month: search.get("month"),
    requests: search.get(REQUESTS_CURSOR),
    sent: search.get(SENT_CURSOR),
    cursor: cursorIn(search),
  }),
  settings: (search: URLSearchParams) => ({ view: SETTINGS_VIEWS.find((name) => name === search.get("view")) ?? SETTINGS_VIEWS[0], cursor: cursorIn(search) }),
  helpers: (search: URLSearchParams) => ({ drift: cursorIn(search), rollouts: search.get(ROLLOUTS_CURSOR) }),
  approvals(search: URLSearchParams) {
    const asked = search.get("state");
    return { state: asked !== null && isApprovalState(asked) ? asked : null, cursor: cursorIn(search) };
  },
  requests: (search: URLSearchParams) => ({ state: oneOf(REFUND_REQUEST_STATES, search.get("state")), cursor: cursorIn(search) }),
  refunds: (search: URLSearchParams) => ({ state: oneOf(REFUND_STATES, search.get("state")), cursor: cursorIn(search) }),
  disputes: (search: URLSearchParams) => ({ state: oneOf(DISPUTE_STATES, search.get("state")), cursor: cursorIn(search) }),
  payouts: (search: URLSearchParams) => ({ state: oneOf(PAYOUT_STATES, search.get("state")), cursor: cursorIn(search) }),
  payments: (search: URLSearchParams) => ({ organization: search.get("organization") ?? "", cursor: cursorIn(search) }),
  credits: (search: URLSearchParams) => ({ organization: search.get("organization") ?? "", codes: cursorIn(search), grants: search.get(GRANTS_CURSOR) }),
  /** What is still so, unless all is asked for. */
  findings: (search: URLSearchParams) => ({
    state: search.get("state") === "all" ? null : (oneOf({ open: 0, closed: 0 }, search.get("state")) ?? "open"),
    severity: oneOf(SEVERITIES, search.get("severity")),
    owner_id: search.get("owner"),
    cursor: cursorIn(search),
  }),
  /** Whose accounts, from when until when; null until all that is needed is said. */
  statement(search: URLSearchParams) {
    const [organization, currency, since] = ["organization", "currency", "since"].map((name) => search.get(name) ?? "") as [string, string, string];
    return organization && currency && since ? { organization, currency, since, until: search.get("until") } : null;
  },
  reports: (search: URLSearchParams) => ({ at: search.get("at"), first: search.get("first"), last: search.get("last"), since: search.get("since") }),
  adminAllocations(search: URLSearchParams) {
    const asked = search.get("state");
    return { state: asked !== null && isAllocationState(asked) ? asked : null, cursor: cursorIn(search) };
  },
};
