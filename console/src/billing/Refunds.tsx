import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { requestRefund, useCommand, withdrawRefundRequest } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { useOwnRefunds, usePayments, useRefundRequests } from "~/api/reads";
import type { Payment, RefundRequest } from "~/api/types";
import { cli } from "~/cli";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { REQUESTS_CURSOR, SENT_CURSOR } from "~/places";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import { Consequences } from "~/ui/Consequences";
import { CliHint } from "~/ui/Copy";
import { Dialog } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import { ListPanel } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import text from "~/ui/text.module.css";
import { paymentColumns, requestColumns, sentColumns } from "./refundColumns";

const words = t.refunds;

const schema = z.object({
  amount: z.string().check(z.trim(), z.regex(/^\d{1,6}(?:\.\d{1,3})?$/, words.form.invalid)),
  reason: z.string().check(z.trim(), z.minLength(1, words.form.reasonInvalid), z.maxLength(500, words.form.reasonInvalid)),
});

function RequestForm({ payment: { top_up_id, refundable }, onClose }: { payment: Payment; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { amount: "", reason: "" } });
  const asking = useCommand(requestRefund);
  const keyFor = useIntent();
  const { amount = "", reason = "" } = useWatch({ control: form.control });
  const send = (asked: { amount: string; reason: string }) => {
    const body = { top_up_id, ...asked };
    asking.mutate({ key: keyFor(body), body }, { onSuccess: onClose });
  };
  return (
    <Form form={form} doing={asking} onSubmit={send} submit={words.form.submit} onCancel={onClose}>
      <p className={text.help}>{words.form.most(formatMoney(refundable))}</p>
      <Field control={form.control} name="amount" label={words.form.amount(refundable.currency)} inputMode="decimal" autoFocus />
      <Field control={form.control} name="reason" label={words.form.reason} help={words.form.reasonHelp} />
      <Consequences lines={words.form.consequences} />
      <CliHint command={cli.refundRequest(top_up_id, amount, reason)} />
    </Form>
  );
}

/** What was paid and what of it can go back, what was asked for, and what became of that. */
export function Refunds() {
  const [asking, setAsking] = useState<Payment>();
  const [withdrawing, setWithdrawing] = useState<RefundRequest>();
  return (
    <>
      <ListPanel
        title={words.payments.title}
        lead={words.payments.lead}
        query={usePayments(useCursor())}
        caption={words.payments.title}
        columns={[
          ...paymentColumns,
          {
            key: "act",
            header: words.payments.column.act,
            cell: (one) => (
              <ActionButton action={actionNamed(one.actions, "request_refund")} size="small" aria-label={words.payments.askLabel(one.top_up_id)} onPress={() => setAsking(one)}>
                {words.payments.ask}
              </ActionButton>
            ),
          },
        ]}
        rowKey={({ top_up_id: id }) => id}
        empty={words.payments.empty}
      />
      <ListPanel
        title={words.requests.title}
        query={useRefundRequests(useCursor(REQUESTS_CURSOR))}
        cursor={REQUESTS_CURSOR}
        caption={words.requests.title}
        columns={[
          ...requestColumns,
          {
            key: "act",
            header: words.requests.column.act,
            narrow: true,
            cell: (one) =>
              one.state === "requested" ? (
                <ActionButton action={actionNamed(one.actions, "withdraw")} size="small" aria-label={words.requests.withdrawLabel(formatMoney(one.amount))} onPress={() => setWithdrawing(one)}>
                  {words.requests.withdraw}
                </ActionButton>
              ) : (
                t.units.none
              ),
          },
        ]}
        rowKey={({ id }) => id}
        empty={words.requests.empty}
      />
      <ListPanel
        title={words.sent.title}
        query={useOwnRefunds(useCursor(SENT_CURSOR))}
        cursor={SENT_CURSOR}
        caption={words.sent.title}
        columns={sentColumns}
        rowKey={({ id }) => id}
        empty={words.sent.empty}
      />
      {asking === undefined ? null : (
        <Dialog title={words.form.title} onClose={() => setAsking(undefined)}>
          <RequestForm payment={asking} onClose={() => setAsking(undefined)} />
        </Dialog>
      )}
      {withdrawing === undefined ? null : (
        <Confirm
          title={words.requests.withdrawTitle(formatMoney(withdrawing.amount))}
          consequences={words.requests.withdrawConsequences}
          confirm={words.requests.withdraw}
          command={withdrawRefundRequest}
          input={withdrawing.id}
          onClose={() => setWithdrawing(undefined)}
        />
      )}
    </>
  );
}
