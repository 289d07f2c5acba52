import type { Entry, TopUp } from "~/api/types";
import { autoTopUp, cardSetup, credit, entry, monthUsage, savedCard, spendingLimit, topUp, usageCharge, wallet } from "../fixtures/billing";
import { type Ago, like, may, pairs, perHour, usd } from "../fixtures/common";
import type { World } from "../world";

const NOBODY = { purposes: [], purpose_count: 0 };

/** Newest first. */
const ENTRIES: Partial<Entry>[] = [
  { kind: "usage", description: "train-resnet, 1 h 02 min" },
  { kind: "reversal", description: "Charge taken back", amount: usd("0.25"), ...NOBODY },
  { kind: "credit", account: "promo", description: "Welcome credit", amount: usd("5.00"), ...NOBODY },
  { kind: "usage_batch", account: "receivable", description: "2 allocations", amount: usd("-1.20") },
  { kind: "top_up", description: "Card payment", amount: usd("50.00"), source: { type: "top_up", id: "tu_3" }, ...NOBODY },
];

const DAYS = ["0.00", "0.864", "0.864", "1.02", "0.864", "0.00", "0.00", "2.40", "3.114", "2.988", "0.864", "0.432", "0.00", "0.00", "1.206", "1.74", "0.864", "0.36", "0.36", "0.00", "0.00", "1.44", "1.116", "0.864"];

const TOP_UPS: Record<TopUp["state"], Partial<TopUp>> = {
  pending: { checkout_url: "/api/v1/top-ups/tu_1/return" },
  processing: {},
  needs_action: {
    purpose: "auto_top_up",
    saved_card_id: "card_1",
    failure: { code: "authentication_required", message: "Your card was declined. This transaction requires authentication." },
    actions: may("confirm"),
  },
  succeeded: { fee: usd("0.88") },
  failed: { failure: { code: "card_declined", message: "Your card was declined." } },
  expired: {},
};

/** Some money and not much time, an entry of each kind, and a payment in each state. */
export function billingOf(
  ago: Ago,
): Pick<World, "wallet" | "entries" | "usage" | "usageByDay" | "topUps" | "cards" | "cardSetups" | "autoTopUp" | "spendingLimits" | "credits"> {
  const charged = { period_start: ago(3_723), period_end: ago(60) };
  return {
    wallet: like(wallet, {
      balance: usd("53.05"),
      held: usd("0.50"),
      available: usd("52.55"),
      promo: usd("5.00"),
      credit_expires: { amount: usd("3.00"), at: ago(-400_000) },
      burn_per_hour: perHour("0.036"),
      runway_seconds: 60_000,
      warning: "24h",
    }),
    entries: ENTRIES.map((differs, place) => like(entry, differs, { id: `${9 - place}-1`, entry_id: String(9 - place), effective_at: ago(600 * place + 30) })),
    cards: [like(savedCard), like(savedCard, { id: "card_2", brand: "mastercard", last4: "4444", is_default: false, actions: may("make_default", "remove") })],
    cardSetups: [like(cardSetup)],
    spendingLimits: [
      like(spendingLimit, { spent: usd("11.20"), left: usd("8.80"), period_ends_at: ago(-20_000) }),
      like(spendingLimit, {
        id: "month",
        scope: "month",
        amount: usd("150.00"),
        spent: usd("149.98"),
        left: usd("0.02"),
        reached: true,
        suspended: [{ id: "paused-lab", name: "paused-lab" }, { id: "al_1", name: "train-resnet" }],
        period_ends_at: ago(-400_000),
      }),
      like(spendingLimit, { id: "al_1", scope: "allocation", subject_id: "al_1", subject_name: "train-resnet", amount: usd("40.00"), spent: usd("40.00"), left: usd("0.00"), reached: true, period_started_at: null, period_ends_at: null }),
    ],
    credits: [
      like(credit, { expires_at: ago(-400_000), given_at: ago(90_000) }),
      like(credit, { id: "2", left: usd("2.00"), amount: usd("2.00"), reason: "For the outage of node-b on 3 November", expires_at: null, given_at: ago(200_000) }),
      like(credit, { id: "3", left: usd("0.00"), reason: "A fair", expires_at: null, given_at: ago(900_000) }),
      like(credit, { id: "4", left: usd("0.00"), expired: usd("1.20"), reason: "A talk", expires_at: ago(90_000), given_at: ago(3_000_000) }),
    ],
    autoTopUp: like(autoTopUp, {
      enabled: true,
      threshold: usd("10.00"),
      amount: usd("20.00"),
      monthly_cap: usd("200.00"),
      charged_this_month: usd("60.00"),
      standing: "under_way",
      top_up_id: "tu_3",
      actions: may("set", "turn_off"),
    }),
    usageByDay: like(monthUsage, {
      month: "2026-11",
      starts_at: "2026-11-01T00:00:00Z",
      ends_at: "2026-12-01T00:00:00Z",
      charged: usd("21.36"),
      days: DAYS.map((amount, place) => ({
        day: `2026-11-${String(place + 1).padStart(2, "0")}`,
        amount: usd(amount),
        kinds: amount === "0.00" ? [] : [{ meter_kind: "compute", amount: usd(amount) }],
      })),
      forecast: { amount: usd("57.30"), accrued: usd("0.009"), per_hour: perHour("0.036"), within_funds: false },
    }),
    usage: [like(usageCharge, charged), like(usageCharge, charged, { id: "chg_2", kind: "suspended", ledger_entry_id: null, seconds: 60 })],
    topUps: pairs(TOP_UPS).map(([state, differs], place) => like(topUp, differs, { id: `tu_${place + 1}`, state, created_at: ago(3_600 * place + 90) })),
  };
}
