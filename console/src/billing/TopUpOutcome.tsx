import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { confirmTopUp, useCommand } from "~/api/commands";
import { useTopUp } from "~/api/reads";
import { refresh, STALE_AFTER_EVENT } from "~/api/stale";
import type { Action } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { topUpState } from "~/states";
import { ActionButton, actionNamed, AwayButton, Button } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { ErrorNotice, Notice } from "~/ui/Notice";

const words = t.billing.outcome;

/** Leads the card's holder to their bank, or back here where it has nothing to ask. */
function ConfirmPayment({ id, action }: { id: string; action: Action | undefined }) {
  const confirming = useCommand(confirmTopUp, { onSuccess: ({ url }) => window.location.assign(url) });
  return (
    <>
      {confirming.isError ? <ErrorNotice error={confirming.error} /> : null}
      <ActionButton size="small" variant="primary" action={action} isPending={confirming.isPending || confirming.isSuccess} onPress={() => confirming.mutate(id)}>
        {t.billing.topUps.confirm}
      </ActionButton>
    </>
  );
}

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
  const { checkout_url, actions } = query.data;
  const { outcome, payable, waits } = topUpState(query.data.state);
  const { tone, title, detail } = outcome(query.data);
  return (
    <Notice tone={tone} title={title} role="status">
      <p>{detail}</p>
      {waits ? null : (
        <div className={layout.cluster}>
          {arrived ? (
            <AwayButton size="small" href={to.receipt(id)} target="_blank">
              {t.billing.topUps.receipt}
            </AwayButton>
          ) : null}
          {query.data.state === "needs_action" ? <ConfirmPayment id={id} action={actionNamed(actions, "confirm")} /> : null}
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
