import { Link } from "react-router";
import { useWallet } from "~/api/reads";
import type { Wallet } from "~/api/types";
import { formatMoney, isNothing } from "~/format/money";
import { formatSpan } from "~/format/time";
import { t } from "~/messages";
import { to } from "~/paths";
import { warningOf } from "~/states";
import { RunwayBar } from "~/ui/figures";
import css from "./Funds.module.css";

/** What the bar shows: while nothing runs it is full, unless there is nothing to run on. */
export function barSeconds({ runway_seconds, available }: Wallet): number | null {
  return runway_seconds ?? (isNothing(available) ? 0 : null);
}

/** Balance and time left: in the header of every customer page, and a way to the money. */
export function Funds() {
  const { data: wallet } = useWallet();
  if (wallet === undefined) {
    return (
      <Link className={css.funds} to={to.billing()} aria-label={t.shell.fundsUnknown}>
        <span className={css.balance}>{t.units.none}</span>
        <span className={css.left}>{t.units.none}</span>
        <RunwayBar seconds={0} />
      </Link>
    );
  }
  const left = wallet.runway_seconds === null ? t.shell.idle : t.shell.left(formatSpan(wallet.runway_seconds));
  const balance = formatMoney(wallet.available);
  const tone = wallet.warning === null ? undefined : warningOf(wallet.warning).tone;
  return (
    <Link className={css.funds} data-tone={tone} to={to.billing()} aria-label={t.shell.fundsLabel(balance, left)}>
      <span className={css.balance}>{balance}</span>
      <span className={css.left}>{left}</span>
      <RunwayBar seconds={barSeconds(wallet)} tone={tone} />
    </Link>
  );
}
