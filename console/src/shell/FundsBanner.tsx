import { useWallet } from "~/api/queries";
import { formatSpan } from "~/format/time";
import { t } from "~/messages";
import { to } from "~/paths";
import { LinkButton } from "~/ui/Button";
import { Notice } from "~/ui/Notice";
import { warningTone } from "./Funds";

const BANNERS: Record<string, (left: string) => string> = t.shell.banner;

/** Warns before money runs out, on every customer page, with what will follow. */
export function FundsBanner() {
  const { data: wallet } = useWallet();
  if (!wallet?.warning) return null;
  return (
    <div className="banner">
      <Notice tone={warningTone(wallet.warning) ?? "warn"} role="status">
        <div className="spread">
          <p>{BANNERS[wallet.warning]?.(formatSpan(wallet.runway_seconds ?? 0))}</p>
          <LinkButton size="small" to={to.billing()}>
            {t.billing.addFunds}
          </LinkButton>
        </div>
      </Notice>
    </div>
  );
}
