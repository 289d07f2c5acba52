import { useEffect } from "react";
import { useTopUp } from "~/api/reads";
import type { TopUp } from "~/api/types";
import { t } from "~/messages";
import { topUpState } from "~/states";
import { AwayButton } from "~/ui/Button";
import { ErrorNotice, Notice } from "~/ui/Notice";

const words = t.launch.funds;

type ResumeLaunchProps = { topUpId: string; onPaid: () => void };

function Outcome({ topUp }: { topUp: TopUp }) {
  const { arrived, waits, payable } = topUpState(topUp.state);
  if (arrived) return <Notice tone="ok" title={words.received} role="status" />;
  if (waits) return <Notice tone="busy" title={words.waiting} role="status" />;
  return (
    <Notice tone="warn" title={words.unpaid.title} role="status">
      <p>{topUp.failure?.message ?? words.unpaid.detail}</p>
      {payable && topUp.checkout_url !== null ? (
        <div>
          <AwayButton size="small" href={topUp.checkout_url}>
              {t.billing.topUps.finish}
            </AwayButton>
        </div>
      ) : null}
    </Notice>
  );
}

/**
 * Says when the payment that a launch waited for has arrived; it may say so more than once. Only a payment of one's own
 * organization can be read here, so a link from elsewhere starts nothing.
 */
export function ResumeLaunch({ topUpId, onPaid }: ResumeLaunchProps) {
  const query = useTopUp(topUpId);
  const paid = query.data !== undefined && topUpState(query.data.state).arrived;
  useEffect(() => {
    if (paid) onPaid();
  }, [paid, onPaid]);
  if (query.data !== undefined) return <Outcome topUp={query.data} />;
  return query.isError ? <ErrorNotice error={query.error} onRetry={() => void query.refetch()} /> : null;
}
