import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { createAdjustment, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { AdjustmentBody } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { Choices } from "~/ui/Choices";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import text from "~/ui/text.module.css";
import { SecondPerson } from "./SecondPerson";

const words = t.money.payments;

const DIRECTIONS = ["give", "take"] as const satisfies AdjustmentBody["direction"][];

const schema = z.object({
  direction: z.enum(DIRECTIONS),
  amount: z.string().check(z.trim(), z.regex(/^\d{1,6}(?:\.\d{1,6})?$/, words.amountInvalid)),
  currency: z.string().check(z.trim(), z.regex(/^[A-Z]{3}$/, words.currencyInvalid)),
  reason: z.string().check(z.trim(), z.minLength(1, words.reasonInvalid), z.maxLength(500, words.reasonInvalid)),
});

/** Gives or takes within the books. */
export function AdjustmentForm({ organization, onClose }: { organization: string; onClose: () => void }) {
  const form = useForm<z.infer<typeof schema>>({ resolver: zodResolver(schema), defaultValues: { direction: "give", amount: "", currency: "", reason: "" } });
  const adjusting = useCommand(createAdjustment);
  const keyFor = useIntent();
  const asked = useWatch({ control: form.control });
  if (adjusting.data?.approval && adjusting.data.adjustment === null) return <SecondPerson approval={adjusting.data.approval} onClose={onClose} />;
  return (
    <Form
      form={form}
      doing={adjusting}
      onSubmit={(given) => {
        const body = { organization_id: organization, ...given };
        adjusting.mutate({ key: keyFor(body), body }, { onSuccess: ({ adjustment }) => adjustment !== null && onClose() });
      }}
      submit={words.adjustSubmit}
      onCancel={onClose}
    >
      <p className={text.help}>{words.adjustLead}</p>
      <Choices legend={words.direction} choices={DIRECTIONS.map((value) => ({ value, label: words[value] }))} register={form.register("direction")} />
      <Field control={form.control} name="amount" label={words.amount(asked.currency || t.money.filter.currency)} inputMode="decimal" autoFocus />
      <Field control={form.control} name="currency" label={t.money.filter.currency} maxLength={3} />
      <Field control={form.control} name="reason" label={words.reason} help={words.reasonHelp} />
      <CliHint command={cli.adjust(organization, asked)} />
    </Form>
  );
}
