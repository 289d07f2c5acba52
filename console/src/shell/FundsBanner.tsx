import { useWallet } from "~/api/reads";
import { formatSpan } from "~/format/time";
import { t } from "~/messages";
import { to } from "~/paths";
import { warningOf } from "~/states";
import { LinkButton } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { Notice } from "~/ui/Notice";
import css from "./FundsBanner.module.css";

/** Warns before money runs out, on every customer page, with what will follow. */
export function FundsBanner() {
  const { data: wallet } = useWallet();
  if (!wallet?.warning) return null;
  const { tone, banner } = warningOf(wallet.warning);
  return (
    <div className={css.banner}>
      <Notice tone={tone} role="status">
        <div className={layout.spread}>
          <p>{banner(formatSpan(wallet.runway_seconds ?? 0))}</p>
          <LinkButton size="small" to={to.billing()}>
            {t.billing.addFunds}
          </LinkButton>
        </div>
      </Notice>
    </div>
  );
}
