/** Every state of what goes back, is disputed, is found or is closed: its word and its look. */
import type { DisputeState, Month, PayoutState, PromoCode, RefundRequestState, RefundState, Severity } from "~/api/types";
import { t } from "~/messages";
import { reader, UNKNOWN } from "~/states";
import type { Look } from "~/ui/Status";

const { request: REQUEST, refund: REFUND } = t.refunds.state;
const { dispute: DISPUTE, severity: SEVERITY, month: MONTH, payout: PAYOUT, promoCode: CODE } = t.money.state;

export const REFUND_REQUEST_STATES: Record<RefundRequestState, Look> = {
  requested: { label: REQUEST.requested, tone: "busy", shape: "dashes" },
  granted: { label: REQUEST.granted, tone: "ok", shape: "disc" },
  declined: { label: REQUEST.declined, tone: "bad", shape: "cross" },
  withdrawn: { label: REQUEST.withdrawn, tone: "quiet", shape: "square" },
};

export const requestState = reader(REFUND_REQUEST_STATES, UNKNOWN);

export const REFUND_STATES: Record<RefundState, Look> = {
  pending: { label: REFUND.pending, tone: "busy", shape: "half" },
  succeeded: { label: REFUND.succeeded, tone: "ok", shape: "disc" },
  failed: { label: REFUND.failed, tone: "bad", shape: "cross" },
  canceled: { label: REFUND.canceled, tone: "quiet", shape: "square" },
};

export const refundState = reader(REFUND_STATES, UNKNOWN);

export const DISPUTE_STATES: Record<DisputeState, Look & { awaitsAnswer?: true }> = {
  seen: { label: DISPUTE.seen, tone: "quiet", shape: "dashes" },
  inquiry: { label: DISPUTE.inquiry, tone: "warn", shape: "ring", awaitsAnswer: true },
  closed: { label: DISPUTE.closed, tone: "quiet", shape: "square" },
  open: { label: DISPUTE.open, tone: "bad", shape: "triangle", awaitsAnswer: true },
  won: { label: DISPUTE.won, tone: "ok", shape: "disc" },
  lost: { label: DISPUTE.lost, tone: "bad", shape: "cross" },
};

export const disputeState = reader(DISPUTE_STATES, UNKNOWN);

export const PAYOUT_STATES: Record<PayoutState, Look> = {
  created: { label: PAYOUT.created, tone: "busy", shape: "dashes" },
  in_transit: { label: PAYOUT.in_transit, tone: "busy", shape: "half" },
  paid: { label: PAYOUT.paid, tone: "ok", shape: "disc" },
  failed: { label: PAYOUT.failed, tone: "bad", shape: "cross" },
  canceled: { label: PAYOUT.canceled, tone: "quiet", shape: "square" },
};

export const payoutState = reader(PAYOUT_STATES, UNKNOWN);

export const SEVERITIES: Record<Severity, Look> = {
  warning: { label: SEVERITY.warning, tone: "warn", shape: "diamond" },
  error: { label: SEVERITY.error, tone: "bad", shape: "square" },
  critical: { label: SEVERITY.critical, tone: "bad", shape: "triangle" },
};

export const severityOf = reader(SEVERITIES, UNKNOWN);

/** A code can be redeemed, was ended, or has had its time or its uses. */
export function promoCodeStanding({ is_over: over, ended_at: ended }: PromoCode): Look {
  if (!over) return { label: CODE.open, tone: "ok", shape: "disc" };
  return ended === null ? { label: CODE.over, tone: "quiet", shape: "square" } : { label: CODE.ended, tone: "quiet", shape: "cross" };
}

export const MONTH_STATES: Record<Month["state"], Look> = {
  open: { label: MONTH.open, tone: "busy", shape: "half" },
  closed: { label: MONTH.closed, tone: "ok", shape: "disc" },
};

export const monthState = reader(MONTH_STATES, UNKNOWN);

/** One of the names of a record, or null for anything else that an address may say. */
export function oneOf<K extends string>(states: Record<K, unknown>, asked: string | null): K | null {
  return asked !== null && Object.hasOwn(states, asked) ? (asked as K) : null;
}
