import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useCardSetup } from "~/api/reads";
import { refresh, STALE_AFTER_EVENT } from "~/api/stale";
import { t } from "~/messages";
import { AwayButton, Button } from "~/ui/Button";
import layout from "~/ui/layout.module.css";
import { ErrorNotice, Notice } from "~/ui/Notice";
import { cardSetupState } from "./standing";

const words = t.billing.setup;

/** What became of saving a card, for somebody who comes back from its page; it asks until the answer is final. */
export function CardSetupOutcome({ id, cancelled, onDismiss }: { id: string; cancelled: boolean; onDismiss: () => void }) {
  const query = useCardSetup(id);
  const client = useQueryClient();
  const saved = query.data?.state === "succeeded";
  useEffect(() => {
    if (saved) void refresh(client, STALE_AFTER_EVENT.card);
  }, [saved, client]);
  if (query.data === undefined) {
    return query.isError ? <ErrorNotice error={query.error} onRetry={() => void query.refetch()} /> : null;
  }
  const { state, failure, checkout_url } = query.data;
  const waits = state === "pending" && !cancelled && failure === null;
  const { tone, title, detail } = waits ? words.waits : cardSetupState(state).outcome;
  return (
    <Notice tone={tone} title={title} role="status">
      <p>{failure?.message ?? detail}</p>
      <div className={layout.cluster}>
        {state === "pending" && checkout_url !== null ? (
          <AwayButton size="small" href={checkout_url}>
            {words.goOn}
          </AwayButton>
        ) : null}
        <Button size="small" variant="quiet" onPress={onDismiss}>
          {t.billing.outcome.dismiss}
        </Button>
      </div>
    </Notice>
  );
}
