import type { Wallet } from "~/api/types";
import { formatMoney, isNothing } from "~/format/money";
import { formatMoment, formatSpan } from "~/format/time";
import { useNow } from "~/format/useNow";
import { t } from "~/messages";
import { barSeconds } from "~/shell/Funds";
import { warningOf } from "~/states";
import { Figure, Figures } from "~/ui/Figure";
import { Amount, Moment, RateFigure, RunwayBar } from "~/ui/figures";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";

const words = t.billing.wallet;

/** The wallet: what there is, what is set aside, and how long it lasts. */
export function WalletPanel({ wallet }: { wallet: Wallet }) {
  const { balance, available, held, promo, receivable, burn_per_hour, runway_seconds, warning, credit_expires: expires, data_kept_until } = wallet;
  const now = useNow();
  return (
    <Panel>
      <Figures>
        <Figure name={words.available} large>
          <Amount money={available} />
        </Figure>
        <Figure name={words.held}>
          <Amount money={held} />
        </Figure>
        <Figure name={words.balance}>
          <Amount money={balance} />
        </Figure>
        {isNothing(promo) ? null : (
          <Figure name={words.promo}>
            <Amount money={promo} />
            {expires ? (
              <span className={text.cellSub}>
                {words.expires(formatMoney(expires.amount))}
                <Moment at={expires.at} />
              </span>
            ) : null}
          </Figure>
        )}
        {isNothing(receivable) ? null : (
          <Figure name={words.receivable}>
            <Amount money={receivable} />
          </Figure>
        )}
        <Figure name={words.burn}>
          <RateFigure rate={burn_per_hour} />
        </Figure>
        <Figure name={words.runway}>{runway_seconds === null ? t.units.none : formatSpan(runway_seconds)}</Figure>
      </Figures>
      <RunwayBar seconds={barSeconds(wallet)} tone={warning === null ? undefined : warningOf(warning).tone} />
      {data_kept_until === null ? null : (
        <Notice tone="bad">
          <p>{words.keptUntil(formatMoment(data_kept_until, now))}</p>
        </Notice>
      )}
      <p className={text.help}>{words.heldHelp}</p>
    </Panel>
  );
}
