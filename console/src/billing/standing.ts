/** How the saving of a card stands, auto top-up, a spending limit and credit: word, look, what follows. */
import type { AutoTopUp, CardSetupState, Credit } from "~/api/types";
import { isNothing } from "~/format/money";
import { t } from "~/messages";
import { reader, type Said, UNKNOWN } from "~/states";
import type { Look } from "~/ui/Status";

const { setup: SETUP, autoTopUp: AUTO, limits: LIMITS, credits: CREDITS } = t.billing;

type OfSetup = { outcome: Said };

export const CARD_SETUP_STATES: Record<CardSetupState, OfSetup> = {
  pending: { outcome: { tone: "warn", ...SETUP.pending } },
  succeeded: { outcome: { tone: "ok", ...SETUP.succeeded } },
  failed: { outcome: { tone: "bad", ...SETUP.failed } },
  expired: { outcome: { tone: "warn", ...SETUP.expired } },
};

export const cardSetupState = (state: CardSetupState) => CARD_SETUP_STATES[state] ?? CARD_SETUP_STATES.pending;

type OfAutoTopUp = Look & { said: string };

export const AUTO_TOP_UP_STANDINGS: Record<AutoTopUp["standing"], OfAutoTopUp> = {
  off: { ...AUTO.standing.off, tone: "quiet", shape: "ring" },
  enough: { ...AUTO.standing.enough, tone: "ok", shape: "disc" },
  charges: { ...AUTO.standing.charges, tone: "busy", shape: "dashes" },
  under_way: { ...AUTO.standing.under_way, tone: "busy", shape: "half" },
  waiting: { ...AUTO.standing.waiting, tone: "busy", shape: "bars" },
  cap_reached: { ...AUTO.standing.cap_reached, tone: "warn", shape: "square" },
  stopped: { ...AUTO.standing.stopped, tone: "bad", shape: "cross" },
  no_card: { ...AUTO.standing.no_card, tone: "warn", shape: "diamond" },
  taken_back: { ...AUTO.standing.taken_back, tone: "bad", shape: "triangle" },
};

export const autoTopUpStanding = reader(AUTO_TOP_UP_STANDINGS, { ...UNKNOWN, said: "" });

export const limitStanding = (reached: boolean): Look => (reached ? { label: LIMITS.standing.reached, tone: "bad", shape: "bars" } : { label: LIMITS.standing.within, tone: "ok", shape: "disc" });

/** Credit that nothing is left of is over: it was spent, or part of it expired. */
export function creditStanding({ left, expired }: Credit): Look {
  if (!isNothing(left)) return { label: CREDITS.standing.left, tone: "ok", shape: "disc" };
  return isNothing(expired) ? { label: CREDITS.standing.spent, tone: "quiet", shape: "square" } : { label: CREDITS.standing.expired, tone: "quiet", shape: "cross" };
}
