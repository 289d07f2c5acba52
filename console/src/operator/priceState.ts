import type { Price } from "~/api/types";

const startsAt = ({ effective_at }: Price) => new Date(effective_at).getTime();

/** The newest price that has begun: what the prices list says, read by the clock; the server decides what is charged. */
export function priceInEffect(prices: Price[], now: number): Price | undefined {
  return prices.filter((price) => startsAt(price) <= now).toSorted((one, other) => startsAt(other) - startsAt(one))[0];
}

export function priceState(price: Price, prices: Price[], now: number): "future" | "current" | "past" {
  if (startsAt(price) > now) return "future";
  return priceInEffect(prices, now)?.id === price.id ? "current" : "past";
}
