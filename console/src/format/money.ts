/**
 * Shows decimal strings, and is the only place that looks inside them. Nothing here adds, multiplies or rounds money:
 * digits that do not fit are cut off or dimmed, as the command line cuts them, so that no more is shown than there is.
 */
import type { Money, Rate } from "~/api/types";
import { t } from "~/messages";

const SYMBOLS: Record<string, string> = { USD: "$", EUR: "€", GBP: "£" };
const CENTS = 2;
const RATE_DIGITS = 4;

export type AmountParts = { sign: string; symbol: string; whole: string; shown: string; rest: string };

/** Splits "-1234.5678" into what is shown and the finer digits behind it. */
export function amountParts({ amount, currency }: Pick<Money, "amount" | "currency">, digits = CENTS): AmountParts {
  const [, minus = "", whole = "0", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(amount) ?? [];
  const padded = fraction.padEnd(digits, "0");
  const nothing = /^0*$/.test(whole + fraction);
  return {
    sign: minus && !nothing ? "−" : "",
    symbol: SYMBOLS[currency] ?? `${currency} `,
    whole: whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ","),
    shown: padded.slice(0, digits),
    rest: padded.slice(digits).replace(/0+$/, ""),
  };
}

/** "$1,234.56"; what is under a cent but not nothing is "<$0.01", so that it never looks free, and ">−$0.01" below nothing. */
export function formatMoney(money: Money): string {
  const { sign, symbol, whole, shown, rest } = amountParts(money);
  if (whole === "0" && shown === "00" && rest !== "") return (sign === "" ? t.units.lessThanCent : t.units.lessThanCentBelow)(`${sign}${symbol}0.01`);
  return `${sign}${symbol}${whole}.${shown}`;
}

/** "$1,234.567891": all digits that there are, at least two. */
export function formatExact(money: Pick<Money, "amount" | "currency">): string {
  const { sign, symbol, whole, shown, rest } = amountParts(money);
  return `${sign}${symbol}${whole}.${shown}${rest}`;
}

/** "$0.36", "$1.8425": two to four digits; more only where four would show nothing. */
export function formatRateAmount(rate: Rate): string {
  const { sign, symbol, whole, shown, rest } = amountParts(rate);
  const four = rest.slice(0, RATE_DIGITS - CENTS).replace(/0+$/, "");
  const invisible = whole === "0" && /^0*$/.test(shown + four);
  return `${sign}${symbol}${whole}.${shown}${invisible ? rest : four}`;
}

/** "$0.36/h". */
export function formatRate(rate: Rate): string {
  return t.units.perHour(formatRateAmount(rate));
}

/** How large amounts are beside each other, each as a part of the largest: for drawing alone, and never shown as a figure. */
export function partsOfLargest(moneys: Pick<Money, "amount">[]): number[] {
  const sizes = moneys.map(({ amount }) => Math.max(0, Number(amount)));
  const largest = Math.max(0, ...sizes);
  return sizes.map((size) => (largest === 0 ? 0 : size / largest));
}

/** Whether a decimal string is not zero; for lines that appear only when there is something to say. */
export function isNothing({ amount }: Pick<Money, "amount">): boolean {
  return /^-?0*(?:\.0*)?$/.test(amount);
}

export function isNegative({ amount }: Pick<Money, "amount">): boolean {
  return amount.startsWith("-");
}
