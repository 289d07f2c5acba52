/** Answers of the API, each complete; a test overrides what it is about. */
import type { Allocation, Entry, Me, Offer, Price, Sku, TopUp, Wallet } from "~/api/types";

const usd = (amount: string) => ({ amount, currency: "USD" });
const perHour = (amount: string) => ({ amount, currency: "USD", per: "hour" });

export const me: Me = {
  user: { id: "usr_1", email: "ada@example.com", name: "Ada" },
  organization: { id: "org_1", name: "Engines", role: "owner" },
  organizations: [{ id: "org_1", name: "Engines", role: "owner" }],
  platform_roles: [],
  permissions: ["allocation:launch", "wallet:read"],
  auth: "session",
};

export const wallet: Wallet = {
  organization_id: "org_1",
  currency: "USD",
  balance: usd("20.00"),
  held: usd("0.00"),
  available: usd("20.00"),
  promo: usd("0.00"),
  receivable: usd("0.00"),
  burn_per_hour: perHour("0.00"),
  runway_seconds: null,
  warning: null,
  suspend_at: null,
  actions: [{ name: "top_up", allowed: true, reason: null }],
};

export const sku: Offer["sku"] = {
  id: "sku_1",
  code: "cpu-small",
  name: "Small",
  vcpu: 1,
  memory_mib: 1024,
  disk_gib: 5,
  gpu_model: null,
  gpu_count: 0,
  node_labels: {},
  active: true,
  created_at: "2026-01-01T00:00:00Z",
};

export const price: Offer["price"] = {
  id: "prc_1",
  sku_id: "sku_1",
  currency: "USD",
  per_hour: perHour("0.036"),
  suspended_per_hour: perHour("0.00"),
  effective_at: "2026-01-01T00:00:00Z",
  created_at: "2026-01-01T00:00:00Z",
};

export const managedSku: Sku = {
  ...sku,
  price,
  actions: ["rename", "deactivate", "set_price"].map((name) => ({ name, allowed: true, reason: null })),
};

export const listedPrice: Price = { ...price, in_force: true, standing: "in_force" };

export const offer: Offer = {
  id: "sku_1",
  sku,
  price,
  hold: usd("0.0456"),
  available: 3,
  limits_enforced: true,
  actions: [{ name: "launch", allowed: true, reason: null, code: null }],
};

export const allocation: Allocation = {
  id: "al_1",
  name: "notebook",
  state: "active",
  sku,
  price,
  node: { id: "nd_1", name: "node-a", limits_enforced: true },
  login: "al-1",
  ssh: { host: "10.0.0.1", port: 22, command: "ssh al-1@10.0.0.1" },
  created_at: "2026-01-01T00:00:00Z",
  started_at: "2026-01-01T00:00:05Z",
  ended_at: null,
  release_requested_at: null,
  failure: null,
  delivered_seconds: 3723,
  cost: {
    charged: usd("0.03"),
    accrued: usd("0.00723"),
    total: usd("0.03723"),
    held: usd("0.50"),
    rate: perHour("0.036"),
    as_of: "2026-01-01T01:02:08Z",
  },
  funds: { runway_seconds: 7200, warning: null, suspend_at: null },
  enforced: [{ limit: "cpu", requested: "1 vCPU", enforced: true, detail: "cpu.max 100000 100000" }],
  evidence: null,
  actions: [
    { name: "release", allowed: true, reason: null },
    { name: "suspend", allowed: true, reason: null },
    { name: "terminal", allowed: true, reason: null },
  ],
  operation: null,
};

export const entry: Entry = {
  id: "1-1",
  entry_id: "1",
  account: "wallet",
  kind: "usage",
  description: "notebook, 1 h 02 min",
  effective_at: "2026-01-01T01:02:08Z",
  recorded_at: "2026-01-01T01:02:08Z",
  amount: usd("-0.03723"),
  balance_after: usd("19.96277"),
  source: { type: "subject", id: "al_1" },
  purposes: [{ subject_id: "al_1", subject_name: "notebook", amount: usd("0.03723") }],
  purpose_count: 1,
};

export const topUp: TopUp = {
  id: "tu_1",
  amount: usd("20.00"),
  state: "processing",
  checkout_url: null,
  failure: null,
  fee: null,
  created_at: "2026-01-01T00:00:00Z",
  completed_at: null,
};

export const page = <T>(...items: T[]) => ({ items, next_cursor: null });
