import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTopUp } from "~/api/queries";
import type { TopUp } from "~/api/types";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { Button } from "~/ui/Button";
import { ErrorNotice, Notice } from "~/ui/Notice";

const words = t.billing.outcome;

function said(topUp: TopUp): { tone: "ok" | "busy" | "bad" | "warn"; title: string; detail: string } {
  const { state, failure, amount } = topUp;
  if (state === "succeeded") return { tone: "ok", ...words.succeeded(formatMoney(amount)) };
  if (state === "processing") return { tone: "busy", ...words.processing };
  if (state === "expired") return { tone: "warn", ...words.expired };
  const detail = failure?.message;
  if (state === "failed") return { tone: "bad", ...words.failed, ...(detail ? { detail } : {}) };
  return { tone: "warn", ...words.pending, ...(detail ? { detail } : {}) };
}

/** What became of a payment, for somebody who comes back from the payment page; it asks until the answer is final. */
export function TopUpOutcome({ id, onDismiss }: { id: string; onDismiss: () => void }) {
  const query = useTopUp(id);
  const client = useQueryClient();
  const state = query.data?.state;
  useEffect(() => {
    if (state !== "succeeded") return;
    void client.invalidateQueries({ predicate: ({ queryKey }) => /\/(?:wallet|top-ups|offers)/.test(String(queryKey[1])) });
  }, [state, client]);
  if (query.data === undefined) {
    return query.isError ? <ErrorNotice error={query.error} onRetry={() => void query.refetch()} /> : null;
  }
  const { tone, title, detail } = said(query.data);
  const { checkout_url } = query.data;
  return (
    <Notice tone={tone} title={title} role="status">
      <p>{detail}</p>
      {state === "processing" ? null : (
        <div className="cluster">
          {state === "pending" && checkout_url !== null ? (
            <a className="button" data-size="small" href={checkout_url}>
              {t.billing.topUps.finish}
            </a>
          ) : null}
          <Button size="small" variant="quiet" onPress={onDismiss}>
            {words.dismiss}
          </Button>
        </div>
      )}
    </Notice>
  );
}
