import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { createRefund, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { Payment } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import { Refundable } from "./Refundable";
import { SecondPerson } from "./SecondPerson";

const words = t.money.payments;

const schema = z.object({
  amount: z.string().check(z.trim(), z.regex(/^\d{1,6}(?:\.\d{1,3})?$/, words.amountInvalid)),
  reason: z.string().check(z.trim(), z.minLength(1, words.reasonInvalid), z.maxLength(500, words.reasonInvalid)),
});

/** Sends so much of a payment back to its card; beside what of it can go back. */
export function RefundForm({ payment, onClose }: { payment: Payment; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { amount: "", reason: "" } });
  const refunding = useCommand(createRefund);
  const keyFor = useIntent();
  const { amount = "", reason = "" } = useWatch({ control: form.control });
  const { top_up_id } = payment;
  if (refunding.data?.approval && refunding.data.refund === null) return <SecondPerson approval={refunding.data.approval} onClose={onClose} />;
  return (
    <Form
      form={form}
      doing={refunding}
      onSubmit={(asked) => {
        const body = { top_up_id, ...asked };
        refunding.mutate({ key: keyFor(body), body }, { onSuccess: ({ refund }) => refund !== null && onClose() });
      }}
      submit={words.submit}
      onCancel={onClose}
    >
      <Refundable payment={payment} />
      <Field control={form.control} name="amount" label={words.amount(payment.paid.currency)} inputMode="decimal" autoFocus />
      <Field control={form.control} name="reason" label={words.reason} help={words.reasonHelp} />
      <CliHint command={cli.refund(top_up_id, amount, reason)} />
    </Form>
  );
}
