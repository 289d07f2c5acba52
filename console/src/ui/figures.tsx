import type { Money, Rate } from "~/api/types";
import { amountParts, formatExact, formatMoney, formatRate, partsOfLargest } from "~/format/money";
import { formatFull, formatMoment, formatSpan } from "~/format/time";
import { useNow } from "~/format/useNow";
import { t } from "~/messages";
import css from "./figures.module.css";

/** An amount in whole cents, for balances. The exact value is in the markup. */
export function Amount({ money }: { money: Money }) {
  return (
    <data value={money.amount} title={formatExact(money)}>
      {formatMoney(money)}
    </data>
  );
}

/** An amount to the last digit, with what is finer than a cent dimmed: for charges and ledger lines. */
export function ExactAmount({ money, signed = false }: { money: Money; signed?: boolean }) {
  const { sign, symbol, whole, shown, rest } = amountParts(money);
  const plus = signed && sign === "" ? "+" : "";
  return (
    <data value={money.amount}>
      {`${plus}${sign}${symbol}${whole}.${shown}`}
      {rest === "" ? null : <span className={css.rest}>{rest}</span>}
    </data>
  );
}

export function RateFigure({ rate }: { rate: Rate }) {
  return <data value={rate.amount}>{formatRate(rate)}</data>;
}

/** A time: relative within a day, with the full time and zone on hover. */
export function Moment({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={formatFull(at)}>
      {formatMoment(at, now)}
    </time>
  );
}

type TimeBarProps = { elapsed: number; paid: number | null; tone?: "warn" | "bad" | "quiet" };

const scale = (part: number) => ({ transform: `scaleX(${Math.min(1, Math.max(0, part))})` });

/** Sublet's signature: 4 px of the time that has run and the time that is paid for. */
export function TimeBar({ elapsed, paid, tone }: TimeBarProps) {
  const all = elapsed + (paid ?? 0);
  const label = paid === null ? t.shell.timebar.ended(formatSpan(elapsed)) : t.shell.timebar.runs(formatSpan(elapsed), formatSpan(paid));
  return (
    <span className={css.bar} data-tone={tone} role="img" aria-label={label}>
      {paid === null ? null : <span className={css.part} data-part="paid" style={scale(all === 0 ? 0 : 1)} />}
      <span className={css.part} data-part="elapsed" style={scale(all === 0 ? 0 : elapsed / all)} />
    </span>
  );
}

type PartBarProps = { part: Pick<Money, "amount">; of: Pick<Money, "amount">; tone?: "warn" | "bad" };

/** How much of an amount another is: drawn only, beside both in figures. */
export function PartBar({ part, of, tone }: PartBarProps) {
  const [drawn = 0] = partsOfLargest([part, of]);
  return (
    <span className={css.bar} data-tone={tone}>
      <span className={css.part} data-part="elapsed" style={scale(drawn)} />
    </span>
  );
}

const SCALE_SECONDS = 72 * 3600;

/** The header's bar: how long the balance lasts, on a scale of 72 h. */
export function RunwayBar({ seconds, tone }: { seconds: number | null; tone?: "warn" | "bad" }) {
  return (
    <span className={css.bar} data-tone={tone}>
      <span className={css.part} data-part="elapsed" style={scale(seconds === null ? 1 : seconds / SCALE_SECONDS)} />
    </span>
  );
}
