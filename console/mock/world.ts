/** All that the mock knows: one account, what belongs to it, and what operators manage. */
import type {
  ApiToken,
  Approval,
  AutoTopUp,
  CardSetup,
  Charge,
  Credit,
  CreditBudget,
  Customer,
  DeferredRevenue,
  Dispute,
  DriftedNode,
  Entry,
  Finding,
  FindingOwner,
  Grant,
  HelperVersions,
  HistoryEntry,
  Me,
  Terms,
  Member,
  Month,
  MonthReport,
  MonthUsage,
  NodeDetail,
  Offer,
  Payment,
  PayoutTransaction,
  Price,
  PromoCode,
  Refund,
  RefundRequest,
  Revenue,
  Rollout,
  Notice,
  NoticePreference,
  SavedCard,
  SessionView,
  Sku,
  SpendingLimit,
  SshKey,
  Statement,
  TopUp,
  TrialBalance,
  Unmetered,
  Upgrade,
  UsageCharge,
  Wallet,
  WholePayout,
} from "~/api/types";
import { me, member } from "./fixtures/account";
import type { WholeAllocation } from "./fixtures/allocations";
import { autoTopUp, monthUsage, wallet } from "./fixtures/billing";
import { like, usd } from "./fixtures/common";
import { offer } from "./fixtures/catalog";
import { creditBudget, deferredRevenue, revenue, statement, trialBalance, unmetered } from "./fixtures/money";
import { preferences } from "./fixtures/notices";
import { helperVersions } from "./fixtures/operators";

export type World = {
  signedIn: boolean;
  me: Me;
  /** The terms that signing up takes. */
  terms: Terms | null;
  members: Member[];
  notices: Notice[];
  preferences: NoticePreference[];
  sessions: SessionView[];
  sshKeys: SshKey[];
  apiTokens: ApiToken[];
  wallet: Wallet;
  entries: Entry[];
  usage: UsageCharge[];
  /** What every month cost, day by day. */
  usageByDay: MonthUsage;
  topUps: TopUp[];
  cards: SavedCard[];
  cardSetups: CardSetup[];
  autoTopUp: AutoTopUp;
  spendingLimits: SpendingLimit[];
  credits: Credit[];
  offers: Offer[];
  skus: Sku[];
  prices: Price[];
  allocations: WholeAllocation[];
  /** Charges and changes of state of each allocation, by its id. */
  charges: Record<string, Charge[]>;
  history: Record<string, HistoryEntry[]>;
  nodes: NodeDetail[];
  helperVersions: HelperVersions;
  /** Nodes with another helper than the release's. */
  drift: DriftedNode[];
  rollouts: Rollout[];
  /** What became of the nodes of each rollout, by its id. */
  upgrades: Record<string, Upgrade[]>;
  approvals: Approval[];
  customers: Customer[];
  payments: Payment[];
  refundRequests: RefundRequest[];
  refunds: Refund[];
  disputes: Dispute[];
  payouts: WholePayout[];
  /** What every payout is made of. */
  payoutTransactions: PayoutTransaction[];
  findings: Finding[];
  findingOwners: FindingOwner[];
  grants: Grant[];
  promoCodes: PromoCode[];
  creditBudget: CreditBudget;
  months: Month[];
  /** What every month came to. */
  monthLines: MonthReport["lines"];
  trialBalance: TrialBalance;
  deferredRevenue: DeferredRevenue;
  revenue: Revenue;
  statement: Statement;
  unmetered: Unmetered;
  /** Where each payment that was begun comes back to. */
  returns: Record<string, string>;
  /** What was answered to each idempotency key. */
  answered: Map<string, unknown>;
  /** How many items of a list are in one answer at most. */
  pageLength: number;
  /** How long each step of work takes; null: nothing goes on by itself. */
  stepMs: number | null;
};

/** An account with money and nothing running. */
export function quiet(): World {
  return {
    signedIn: true,
    me: me,
    terms: null,
    members: [member],
    notices: [],
    preferences: like(preferences as NoticePreference[]),
    sessions: [],
    sshKeys: [],
    apiTokens: [],
    wallet: wallet,
    entries: [],
    usage: [],
    usageByDay: like(monthUsage, { days: [], charged: usd("0.00"), forecast: null }),
    topUps: [],
    cards: [],
    cardSetups: [],
    autoTopUp: like(autoTopUp),
    spendingLimits: [],
    credits: [],
    offers: [offer],
    skus: [],
    prices: [],
    allocations: [],
    charges: {},
    history: {},
    nodes: [],
    helperVersions: helperVersions,
    drift: [],
    rollouts: [],
    upgrades: {},
    approvals: [],
    customers: [],
    payments: [],
    refundRequests: [],
    refunds: [],
    disputes: [],
    payouts: [],
    payoutTransactions: [],
    findings: [],
    findingOwners: [{ id: me.user.id, name: me.user.name }],
    grants: [],
    promoCodes: [],
    creditBudget: like(creditBudget),
    months: [],
    monthLines: [],
    trialBalance: like(trialBalance, { lines: [] }),
    deferredRevenue: like(deferredRevenue, { lines: [] }),
    revenue: like(revenue, { lines: [] }),
    statement: like(statement, { lines: [] }),
    unmetered: like(unmetered, { lines: [] }),
    returns: {},
    answered: new Map(),
    pageLength: 50,
    stepMs: null,
  };
}

export const world: World = structuredClone(quiet());

/** Starts over; what is given differs from the quiet account. Nothing of it is shared with what was given. */
export function begin(differs: Partial<World> = {}): void {
  Object.assign(world, structuredClone({ ...quiet(), ...differs }));
}
