import type { Dispute, Payout, Refund, RefundRequest, Severity, WholePayout } from "~/api/types";
import { me } from "../fixtures/account";
import { type Ago, like, may, mayNot, pairs, usd } from "../fixtures/common";
import { creditBudget, customer, deferredRevenue, dispute, finding, grant, lines, month, payment, payout, payoutTransaction, promoCode, refund, refundRequest, revenue, statement, trialBalance, unmetered } from "../fixtures/money";
import type { World } from "../world";

const GRACE = { id: "usr_9", name: "Grace" };

const OVER = "The request is decided already.";

const REQUESTS: Record<RefundRequest["state"], Partial<RefundRequest>> = {
  requested: {},
  granted: { decision: "Of course.", actions: mayNot(OVER, "withdraw", "grant", "decline") },
  declined: { decision: "It ran for you.", actions: mayNot(OVER, "withdraw", "grant", "decline") },
  withdrawn: { actions: mayNot(OVER, "withdraw", "grant", "decline") },
};

const REFUNDS: Record<Refund["state"], Partial<Refund>> = {
  pending: {},
  succeeded: { origin: "processor", requested_by: "", request_id: null, owed: usd("4.20") },
  failed: { failure: "lost_or_stolen_card" },
  canceled: {},
};

const DISPUTES: Record<Dispute["state"], Partial<Dispute>> = {
  seen: { taken: usd("0.00") },
  inquiry: { taken: usd("0.00"), reason: "unrecognized" },
  closed: { taken: usd("0.00") },
  open: {},
  won: { taken: usd("0.00") },
  lost: { taken: usd("0.00"), charged: usd("50.00"), owed: usd("15.25") },
};

const UNDER_WAY = { ended_at: null, history: [] };

const PAYOUTS: Record<Payout["state"], Partial<WholePayout>> = {
  created: { ...UNDER_WAY, left: null, made_of: null },
  in_transit: UNDER_WAY,
  paid: { made_of: usd("14.12"), off_by: usd("5.00") },
  failed: { failure: "account_closed" },
  canceled: {},
};

const SEVERITIES: Record<Severity, { code: string; detail: Record<string, unknown> }> = {
  critical: { code: "ledger.balance_drift", detail: { problem: "the balance that is kept is not the sum of its postings" } },
  error: { code: "payments.taken_back", detail: { problem: "a payment was taken back and is not settled" } },
  warning: { code: "allocations.remnant", detail: { problem: "what a moved launch may have left is not proven gone" } },
};

type Money = Pick<
  World,
  "customers" | "payments" | "refundRequests" | "refunds" | "disputes" | "payouts" | "payoutTransactions" | "findings" | "findingOwners" | "grants" | "promoCodes" | "creditBudget" | "months" | "monthLines" | "trialBalance" | "deferredRevenue" | "revenue" | "statement" | "unmetered"
>;

/** What goes back, is disputed, is found and is closed, one in each state. */
export function moneyOf(ago: Ago): Money {
  const decided = { completed_at: ago(600) };
  return {
    customers: [like(customer, { created_at: ago(9_000_000) }), like(customer, { id: "org_2", name: "Turing and sons", owner_email: "alan@example.com", members: 4 })],
    payments: [
      like(payment, { paid_at: ago(90_000) }),
      like(payment, {
        top_up_id: "tu_2",
        paid_at: ago(400_000),
        paid: usd("20.00"),
        spent: usd("20.00"),
        refundable: usd("0.00"),
        reason: "Nothing is left of the 20.00 USD of this payment: 20.00 USD is spent.",
        actions: mayNot("Nothing is left of the 20.00 USD of this payment: 20.00 USD is spent.", "request_refund", "refund"),
      }),
    ],
    refundRequests: pairs(REQUESTS).map(([state, differs], place) => like(refundRequest, { id: `rrq_${place + 1}`, state, created_at: ago(7_000 * place + 300) }, differs)),
    refunds: pairs(REFUNDS).map(([state, differs], place) => like(refund, { id: `rf_${place + 1}`, state, created_at: ago(8_000 * place + 200) }, state === "pending" ? {} : decided, differs)),
    disputes: pairs(DISPUTES).map(([state, differs], place) =>
      like(
        dispute,
        { id: `dsp_${place + 1}`, state, disputed_at: ago(50_000 * place + 900), due_by: ago(-600_000 + 50_000 * place) },
        ["closed", "won", "lost"].includes(state) ? { decided_at: ago(300) } : {},
        differs,
      ),
    ),
    payouts: pairs(PAYOUTS).map(([state, differs], place) =>
      like(payout, { id: `po_${place + 1}`, state, created_at: ago(80_000 * place + 4_000), arrives_on: ago(80_000 * place - 90_000), ended_at: ago(80_000 * place + 900) }, differs),
    ),
    payoutTransactions: [
      like(payoutTransaction, { created_at: ago(200_000) }),
      like(payoutTransaction, { id: "txn_2QvT", type: "refund", amount: usd("-5.00"), fee: usd("0.00"), net: usd("-5.00"), source: "re_2QvT", whose: "suspense", created_at: ago(190_000) }),
    ],
    findingOwners: [{ id: me.user.id, name: me.user.name }, GRACE],
    findings: [
      ...pairs(SEVERITIES).map(([severity, differs], place) =>
        like(finding, { id: `fnd_${place + 1}`, severity, since: ago(4_000 * place + 100), seen_at: ago(40), ...differs }, severity === "warning" ? { amounts: {}, owner: GRACE } : {}),
      ),
      like(finding, { id: "fnd_9", severity: "error", code: "books.old", since: ago(900_000), seen_at: ago(800_000), until: ago(790_000), actions: mayNot("It is closed.", "resolve", "assign") }),
    ],
    grants: [
      like(grant, { created_at: ago(5_000) }),
      like(grant, { id: "crg_2", organization_id: "org_2", amount: usd("250.00"), reason: "For the outage of node-b on 3 November", expires_at: ago(-2_000_000), created_at: ago(90_000) }),
    ],
    promoCodes: [
      like(promoCode, { expires_at: ago(-600_000), created_at: ago(50_000) }),
      like(promoCode, { id: "prm_2", code: "WINTER-9K2P-A7", uses: 0, valid_days: null, expires_at: ago(-600_000), created_at: ago(90_000), ended_at: ago(4_000), is_over: true, actions: mayNot("The code WINTER-9K2P-A7 was ended before.", "end") }),
      like(promoCode, { id: "prm_3", code: "AUTUMN-3M8T-K1", uses: 100, expires_at: ago(90_000), created_at: ago(900_000), is_over: true, actions: mayNot("The code AUTUMN-3M8T-K1 is over.", "end") }),
    ],
    creditBudget: like(creditBudget),
    months: [
      like(month, { month: "2026-11", starts_at: "2026-11-01T00:00:00Z", ends_at: "2026-12-01T00:00:00Z", actions: mayNot("2026-11 is not over: it ends at 2026-12-01T00:00:00+00:00.", "close") }),
      like(month, { month: "2026-10", starts_at: "2026-10-01T00:00:00Z", ends_at: "2026-11-01T00:00:00Z", actions: may("close") }),
      like(month, {
        month: "2026-09",
        starts_at: "2026-09-01T00:00:00Z",
        ends_at: "2026-10-01T00:00:00Z",
        state: "closed",
        closed_at: ago(2_000_000),
        closed_by: "Grace",
        actions: mayNot("2026-09 is closed since 2026-10-03T08:00:00+00:00.", "close"),
      }),
    ],
    monthLines: structuredClone(lines),
    trialBalance: like(trialBalance, { at: ago(1) }),
    deferredRevenue: like(deferredRevenue, { at: ago(1) }),
    revenue: like(revenue),
    statement: like(statement),
    unmetered: like(unmetered),
  };
}
