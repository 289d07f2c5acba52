import type { ReactNode } from "react";
import type { Wallet } from "~/api/types";
import { isNothing } from "~/format/money";
import { formatSpan } from "~/format/time";
import { t } from "~/messages";
import { warningOf } from "~/states";
import { barSeconds } from "~/shell/Funds";
import { Amount, RateFigure, RunwayBar } from "~/ui/figures";
import { Panel } from "~/ui/Page";

const words = t.billing.wallet;

function Figure({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The wallet: what there is, what is set aside, and how long it lasts. */
export function WalletPanel({ wallet }: { wallet: Wallet }) {
  const { balance, available, held, promo, receivable, burn_per_hour, runway_seconds, warning } = wallet;
  return (
    <Panel>
      <dl className="figures-row">
        <div className="figure" data-size="large">
          <dt>{words.available}</dt>
          <dd>
            <Amount money={available} />
          </dd>
        </div>
        <Figure name={words.held}>
          <Amount money={held} />
        </Figure>
        <Figure name={words.balance}>
          <Amount money={balance} />
        </Figure>
        {isNothing(promo) ? null : (
          <Figure name={words.promo}>
            <Amount money={promo} />
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
      </dl>
      <RunwayBar seconds={barSeconds(wallet)} tone={warning === null ? undefined : warningOf(warning).tone} />
      <p className="field-help">{words.heldHelp}</p>
    </Panel>
  );
}
