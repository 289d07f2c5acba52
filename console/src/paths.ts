/** Every address of the console is built here. */

type Search = Record<string, string | null | undefined>;

function at(path: string, search: Search = {}): string {
  const given = Object.entries(search).filter((pair): pair is [string, string] => Boolean(pair[1]));
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** A launch that waits for a payment: everything to take it up again, with the key that it was first tried with. */
export type PendingLaunch = { offer: string; price: string; key: string; openTerminal: boolean; name: string };

export const BILLING_VIEWS = ["month", "ledger", "charges", "top-ups", "cards", "limits", "credits", "refunds"] as const;
export const SETTINGS_VIEWS = ["keys", "tokens", "sessions", "notices"] as const;

export const MONEY_VIEWS = ["overview", "requests", "refunds", "payments", "credits", "disputes", "payouts", "findings", "ledger", "months", "reports"] as const;
export type MoneyView = (typeof MONEY_VIEWS)[number];

export const to = {
  home: () => "/",
  /** The list, narrowed to what has a label. */
  labelled: (label: string) => at("/", { label }),
  signIn: (next?: string) => at("/sign-in", { next }),
  signUp: (next?: string) => at("/sign-up", { next }),
  launch: (offer?: string) => at("/launch", { offer }),
  /** In the path and not in the query, because the payment page gives back a plain path. */
  resumeLaunch: ({ offer, price, key, openTerminal, name }: PendingLaunch) =>
    ["/launch/resume", offer, price, key, openTerminal ? "terminal" : "page", name].filter(Boolean).join("/"),
  allocation: (id: string, search: { open?: "terminal" } = {}) => at(`/allocations/${encodeURIComponent(id)}`, search),
  terminal: (id: string) => `/allocations/${encodeURIComponent(id)}/terminal`,
  billing: (view?: (typeof BILLING_VIEWS)[number]) => at("/billing", { view: view === "month" ? null : view }),
  topUp: (id: string) => at("/billing", { top_up: id }),
  receipt: (id: string) => `/api/v1/top-ups/${encodeURIComponent(id)}/receipt`,
  inbox: () => "/inbox",
  settings: (view?: (typeof SETTINGS_VIEWS)[number]) => at("/settings", { view: view === "keys" ? null : view }),
  operator: {
    nodes: () => "/operator/nodes",
    addNode: () => "/operator/nodes/new",
    node: (id: string) => `/operator/nodes/${encodeURIComponent(id)}`,
    skus: () => "/operator/skus",
    prices: (id: string) => `/operator/skus/${encodeURIComponent(id)}`,
    allocations: (state?: string) => at("/operator/allocations", { state }),
    helpers: () => "/operator/helpers",
    rollout: (id: string) => `/operator/helpers/${encodeURIComponent(id)}`,
    approvals: (state?: string) => at("/operator/approvals", { state }),
    money: (view: MoneyView = "overview", search: Search = {}) => at(view === "overview" ? "/operator/money" : `/operator/money/${view}`, search),
    finding: (id: string) => `/operator/money/findings/${encodeURIComponent(id)}`,
    payout: (id: string) => `/operator/money/payouts/${encodeURIComponent(id)}`,
    month: (month: string) => `/operator/money/months/${encodeURIComponent(month)}`,
  },
};

const report = (path: string, search: Search = {}) => at(`/api/v1/admin/${path}`, { ...search, format: "csv" });

/** Where reports are downloaded from. */
export const csv = {
  month: (month: string) => report(`months/${encodeURIComponent(month)}`),
  trialBalance: (time: string | null) => report("reports/trial-balance", { at: time }),
  deferredRevenue: (time: string | null) => report("reports/deferred-revenue", { at: time }),
  revenue: (first: string, last: string) => report("reports/revenue", { first, last }),
  unmetered: (since: string) => report("reports/unmetered", { since }),
  ledger: ({ kind, search, since, until }: { kind: string | null; search: string | null; since: string | null; until: string | null }) =>
    at("/api/v1/wallet/entries", { kind, search, since, until, format: "csv" }),
  statement: ({ organization, currency, since, until }: { organization: string; currency: string; since: string; until: string | null }) =>
    report("reports/statement", { organization_id: organization, currency, since, until }),
};

/** Only addresses of this console may be gone to after signing in. Browsers drop tabs and line ends from addresses. */
export function safeNext(next: string | null): string {
  return next !== null && /^\/[^\s\\]*$/.test(next) && !next.includes("//") ? next : to.home();
}

const socketBase = () => window.location.origin.replace(/^http/, "ws");

export const sockets = {
  events: () => `${socketBase()}/api/v1/events`,
  terminal: (id: string) => `${socketBase()}/api/v1/allocations/${encodeURIComponent(id)}/terminal`,
};
