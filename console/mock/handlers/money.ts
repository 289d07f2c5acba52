/** What operators see and decide of money, and what customers ask back. */
import type { Approval, Dispute, Finding, Month, Payment, PromoCode, Refund, RefundRequest, WholePayout } from "~/api/types";
import { freshId, notFound, on, pageOf, Refusal } from "../api";
import { credit } from "../fixtures/billing";
import { like, may, mayNot, usd } from "../fixtures/common";
import { evidence, grant, promoCode, refund, refundRequest } from "../fixtures/money";
import { world } from "../world";
import { askApproval } from "./operators";

const now = () => new Date().toISOString();

function requestOf(id: string): RefundRequest {
  const request = world.refundRequests.find((one) => one.id === id);
  if (request === undefined) throw notFound();
  return request;
}

function disputeOf(id: string): Dispute {
  const found = world.disputes.find((one) => one.id === id);
  if (found === undefined) throw notFound();
  return found;
}

function paymentOf(id: string): Payment {
  const found = world.payments.find(({ top_up_id }) => top_up_id === id);
  if (found === undefined) throw notFound();
  return found;
}

function monthOf(name: string): Month {
  const month = world.months.find((one) => one.month === name);
  if (month === undefined) throw notFound();
  return month;
}

/** The rows that have what is asked for of some names. */
function narrowed<T extends object>(items: T[], query: URLSearchParams, ...names: (keyof T & string)[]): T[] {
  return items.filter((one) => names.every((name) => query.get(name) === null || query.get(name) === one[name]));
}

function decided(id: string, state: "granted" | "declined" | "withdrawn", decision: string | null): RefundRequest {
  return Object.assign(requestOf(id), { state, decision, decided_at: now(), actions: mayNot(`The request is ${state} already.`, "withdraw", "grant", "decline") });
}

/** "99.99": what is longer takes two people. */
const MOST_DIGITS_ALONE = 5;

type Begun = { refund: Refund | null; approval: Approval | null };

/** Begins a refund; one of more than the mock lets somebody decide alone waits for a second person. */
function begin(payment: Payment, amount: string, reason: string, request: string | null): Begun {
  const known = world.approvals.find(({ act, subject, state }) => act === "refund.create" && subject === payment.top_up_id && state === "approved");
  if (amount.length > MOST_DIGITS_ALONE && known === undefined) {
    const asked = askApproval({ act: "refund.create", subject: payment.top_up_id, parameters: { amount: usd(amount), request_id: request }, reason });
    return { refund: null, approval: asked };
  }
  const begun: Refund = { ...refund, id: freshId("rf", world.refunds), top_up_id: payment.top_up_id, amount: usd(amount), reason, request_id: request, created_at: now() };
  world.refunds = [begun, ...world.refunds];
  return { refund: begun, approval: known ?? null };
}

function findingOf(id: string): Finding {
  const found = world.findings.find((one) => one.id === id);
  if (found === undefined) throw notFound();
  return found;
}
/** What the mock lets somebody give alone. */
const credited = (amount: string) => amount.length <= MOST_DIGITS_ALONE;

function codeOf(id: string): PromoCode {
  const found = world.promoCodes.find((one) => one.id === id);
  if (found === undefined) throw notFound();
  return found;
}

function payoutOf(id: string): WholePayout {
  const found = world.payouts.find((one) => one.id === id);
  if (found === undefined) throw notFound();
  return found;
}

const isOpen = ({ until }: Finding) => until === null;

export const money = [
  on("get", "/api/v1/payments", ({ query }) => pageOf(world.payments, query)),
  on("get", "/api/v1/refunds", ({ query }) => pageOf(world.refunds, query)),
  on("get", "/api/v1/refund-requests", ({ query }) => pageOf(world.refundRequests, query)),
  on("post", "/api/v1/refund-requests", ({ body }) => {
    paymentOf(body.top_up_id);
    const asked: RefundRequest = { ...refundRequest, id: freshId("rrq", world.refundRequests), top_up_id: body.top_up_id, amount: usd(body.amount), reason: body.reason, created_at: now() };
    world.refundRequests = [asked, ...world.refundRequests];
    return asked;
  }),
  on("post", "/api/v1/refund-requests/{refund_request_id}/withdraw", ({ path }) => decided(path.refund_request_id, "withdrawn", null)),

  on("get", "/api/v1/admin/organizations", ({ query }) => pageOf(world.customers, query)),
  on("get", "/api/v1/admin/payments", ({ query }) => pageOf(world.payments, query)),
  on("get", "/api/v1/admin/refunds", ({ query }) => pageOf(narrowed(world.refunds, query, "state", "organization_id"), query)),
  on("post", "/api/v1/admin/refunds", ({ body }) => begin(paymentOf(body.top_up_id), body.amount, body.reason, null)),
  on("get", "/api/v1/admin/refund-requests", ({ query }) => pageOf(narrowed(world.refundRequests, query, "state"), query)),
  on("post", "/api/v1/admin/refund-requests/{request_id}/grant", ({ path, body }) => {
    const request = requestOf(path.request_id);
    if (request.state !== "requested") throw new Refusal(409, "conflict", `The request is ${request.state} already. Nothing was changed.`);
    const begun = begin(paymentOf(request.top_up_id), request.amount.amount, request.reason, request.id);
    return { request: begun.refund === null ? request : decided(request.id, "granted", body.decision), ...begun };
  }),
  on("post", "/api/v1/admin/refund-requests/{request_id}/decline", ({ path, body }) => decided(path.request_id, "declined", body.decision)),
  on("post", "/api/v1/admin/adjustments", ({ body: { organization_id, direction, amount, currency, reason } }) => ({
    adjustment: { id: "adj_1", organization_id, direction, amount: { amount, currency }, reason, entry_id: 12 },
    approval: null,
  })),

  on("get", "/api/v1/credits", ({ query }) => ({ ...pageOf(world.credits, query), actions: may("redeem") })),
  on("post", "/api/v1/promo-codes/redeem", ({ body }) => {
    const known = world.promoCodes.find(({ code, is_over: over }) => code === body.code.toUpperCase() && !over);
    if (known === undefined) throw new Refusal(409, "promo_code_refused", "There is no code like that, or it is over. Nothing was given.");
    const { amount, code } = known;
    world.credits = [like(credit, { id: String(world.credits.length + 1), amount, left: amount, reason: `Promo code ${code}`, given_at: now() }), ...world.credits];
    return { amount };
  }),
  on("get", "/api/v1/admin/credits", ({ query }) => ({ ...pageOf(narrowed(world.grants, query, "organization_id"), query), actions: may("grant") })),
  on("post", "/api/v1/admin/credits", ({ body: { organization_id, amount, currency, reason } }) => {
    if (!credited(amount)) return { credit: null, approval: askApproval({ act: "credit.grant", subject: organization_id, parameters: { amount: { amount, currency } }, reason }) };
    const given = like(grant, { id: freshId("crg", world.grants), organization_id, amount: { amount, currency }, reason, created_at: now() });
    world.grants = [given, ...world.grants];
    return { credit: given, approval: null };
  }),
  on("get", "/api/v1/admin/credit-budget", () => world.creditBudget),
  on("get", "/api/v1/admin/promo-codes", ({ query }) => ({ ...pageOf(world.promoCodes, query), actions: may("create") })),
  on("post", "/api/v1/admin/promo-codes", ({ body: { code, amount, currency, most_uses, valid_days, reason } }) => {
    if (!credited(amount)) return { promo_code: null, approval: askApproval({ act: "promo_code.create", subject: code, parameters: { amount: { amount, currency }, most_uses }, reason }) };
    const made = like(promoCode, { id: freshId("prm", world.promoCodes), code, amount: { amount, currency }, most_uses, valid_days, reason, uses: 0 });
    world.promoCodes = [made, ...world.promoCodes];
    return { promo_code: made, approval: null };
  }),
  on("post", "/api/v1/admin/promo-codes/{promo_code_id}/end", ({ path }) => {
    const one = codeOf(path.promo_code_id);
    return Object.assign(one, { ended_at: now(), is_over: true, actions: mayNot(`The code ${one.code} was ended before.`, "end") });
  }),

  on("get", "/api/v1/admin/disputes/{dispute_id}/evidence", ({ path }) => ({ ...evidence, dispute: disputeOf(path.dispute_id) })),
  on("post", "/api/v1/admin/disputes/{dispute_id}/evidence", ({ path }) => {
    const one = disputeOf(path.dispute_id);
    one.answer = { id: "ans_1", answered_by_name: world.me.user.name, created_at: now(), sent_at: null, refusal: null };
    one.actions = [{ name: "answer", allowed: false, reason: `Answer ans_1 of ${world.me.user.name} is on its way.` }];
    return one;
  }),
  on("get", "/api/v1/admin/disputes", ({ query }) => pageOf(narrowed(world.disputes, query, "state", "organization_id"), query)),
  on("get", "/api/v1/admin/payouts", ({ query }) => pageOf(narrowed(world.payouts, query, "state").map(({ history: _history, ...one }) => one), query)),
  on("get", "/api/v1/admin/payouts/{payout_id}", ({ path }) => payoutOf(path.payout_id)),
  on("get", "/api/v1/admin/payouts/{payout_id}/transactions", ({ path, query }) => {
    payoutOf(path.payout_id);
    return pageOf(world.payoutTransactions, query);
  }),
  on("get", "/api/v1/admin/findings", ({ query }) => {
    const state = query.get("state");
    const kept = world.findings.filter((one) => state === null || isOpen(one) === (state === "open"));
    const of = (name: "type" | "id") => query.get(`subject_${name}`);
    const about = kept.filter(({ subject: { type, id } }) => (of("type") ?? type) === type && (of("id") ?? id) === id);
    const owner = query.get("owner_id");
    const owned = about.filter((one) => owner === null || (one.owner?.id ?? "nobody") === owner);
    return pageOf(narrowed(owned, query, "severity", "code"), query);
  }),
  on("get", "/api/v1/admin/findings/{finding_id}", ({ path }) => {
    const found = findingOf(path.finding_id);
    const opened = { what: "opened" as const, by: null, note: found.severity, at: found.since };
    const assigned = { what: "assigned" as const, by: world.me.user.name, note: found.owner?.name ?? null, at: found.seen_at };
    return { ...found, history: found.owner === null ? [opened] : [opened, assigned] };
  }),
  on("get", "/api/v1/admin/finding-owners", ({ query }) => pageOf(world.findingOwners, query)),
  on("post", "/api/v1/admin/findings/{finding_id}/assign", ({ path, body }) =>
    Object.assign(findingOf(path.finding_id), { owner: body.owner_id === null ? null : (world.findingOwners.find(({ id }) => id === body.owner_id) ?? { id: body.owner_id, name: world.me.user.name }) }),
  ),
  on("post", "/api/v1/admin/findings/{finding_id}/resolve", ({ path, body }) =>
    Object.assign(findingOf(path.finding_id), {
      until: now(),
      settled_by: world.me.user.name,
      resolution: body.reason,
      actions: mayNot("The finding is closed.", "resolve", "assign"),
    }),
  ),

  on("get", "/api/v1/admin/months", () => ({ items: world.months, next_cursor: null })),
  on("get", "/api/v1/admin/months/{month}", ({ path }) => ({ month: monthOf(path.month), lines: world.monthLines })),
  on("post", "/api/v1/admin/months/{month}/close", ({ path }) => {
    const closed = Object.assign(monthOf(path.month), { state: "closed", closed_at: now(), closed_by: world.me.user.name, actions: mayNot(`${path.month} is closed.`, "close") } satisfies Partial<Month>);
    return closed;
  }),
  on("get", "/api/v1/admin/reports/trial-balance", () => world.trialBalance),
  on("get", "/api/v1/admin/reports/deferred-revenue", () => world.deferredRevenue),
  on("get", "/api/v1/admin/reports/revenue", () => world.revenue),
  on("get", "/api/v1/admin/reports/statement", () => world.statement),
  on("get", "/api/v1/admin/reports/unmetered", () => world.unmetered),
];
