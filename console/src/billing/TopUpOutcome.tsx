import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTopUp } from "~/api/reads";
import { refresh, STALE_AFTER_EVENT } from "~/api/stale";
import { t } from "~/messages";
import { topUpState } from "~/states";
import { AwayButton, Button } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { ErrorNotice, Notice } from "~/ui/Notice";

const words = t.billing.outcome;

/** What became of a payment, for somebody who comes back from the payment page; it asks until the answer is final. */
export function TopUpOutcome({ id, onDismiss }: { id: string; onDismiss: () => void }) {
  const query = useTopUp(id);
  const client = useQueryClient();
  const arrived = query.data !== undefined && topUpState(query.data.state).arrived;
  useEffect(() => {
    if (!arrived) return;
    void refresh(client, [...STALE_AFTER_EVENT.top_up, ...STALE_AFTER_EVENT.wallet]);
  }, [arrived, client]);
  if (query.data === undefined) {
    return query.isError ? <ErrorNotice error={query.error} onRetry={() => void query.refetch()} /> : null;
  }
  const { checkout_url } = query.data;
  const { outcome, payable, waits } = topUpState(query.data.state);
  const { tone, title, detail } = outcome(query.data);
  return (
    <Notice tone={tone} title={title} role="status">
      <p>{detail}</p>
      {waits ? null : (
        <div className={layout.cluster}>
          {payable && checkout_url !== null ? (
            <AwayButton size="small" href={checkout_url}>
              {t.billing.topUps.finish}
            </AwayButton>
          ) : null}
          <Button size="small" variant="quiet" onPress={onDismiss}>
            {words.dismiss}
          </Button>
        </div>
      )}
    </Notice>
  );
}
