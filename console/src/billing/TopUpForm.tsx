import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { topUp, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { TopUpBody } from "~/api/types";
import { cli } from "~/cli";
import { Problem } from "~/errors";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { Choices } from "~/ui/Choices";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import text from "~/ui/text.module.css";

const words = t.billing.form;
const CUSTOM = "custom";
const AMOUNT = /^\d{1,6}(?:\.\d{1,3})?$/;

const schema = z
  .object({ choice: z.string(), custom: z.string().check(z.trim()) })
  .check(z.refine(({ choice, custom }) => choice !== CUSTOM || AMOUNT.test(custom), { path: ["custom"], error: words.invalid }));

type Values = z.infer<typeof schema>;

const amountOf = ({ choice, custom }: Values) => (choice === CUSTOM ? custom.trim() : choice);

/** Round amounts that people pay, where a unit of the currency is worth much more or less than elsewhere. */
const PRESETS: Record<string, string[]> = { JPY: ["2000", "5000", "10000", "25000"], KWD: ["10.000", "20.000", "50.000", "100.000"] };
const presetsIn = (currency: string) => PRESETS[currency] ?? ["20.00", "50.00", "100.00", "250.00"];

/** Takes an amount in the wallet's currency and goes to the card processor's page; the console itself never sees a card. */
export function TopUpForm({ currency, returnPath }: { currency: string; returnPath: string }) {
  const presets = presetsIn(currency);
  const choices = [...presets.map((amount) => ({ value: amount, label: formatMoney({ amount, currency }) })), { value: CUSTOM, label: words.custom }];
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { choice: presets[0] ?? CUSTOM, custom: "" } });
  const { choice, custom } = useWatch({ control: form.control });
  const keyFor = useIntent();
  const paying = useCommand(topUp, { onSuccess: ({ checkout_url }) => checkout_url !== null && window.location.assign(checkout_url) });
  const nowhere = paying.data?.checkout_url === null ? new Problem("no_checkout", 0, words.title, words.unavailable) : null;
  // Until the payment page has taken the place of this one, there is nothing to press here.
  const leaving = paying.isPending || (paying.isSuccess && nowhere === null);
  const pay = (values: Values) => {
    const body: TopUpBody = { amount: amountOf(values), currency, return_path: returnPath };
    paying.mutate({ key: keyFor(body), body });
  };
  return (
    <Form form={form} doing={{ isPending: leaving, error: paying.error ?? nowhere }} onSubmit={pay} submit={leaving ? words.submitting : words.submit}>
      <Choices legend={words.amount} choices={choices} register={form.register("choice")} />
      {choice === CUSTOM ? <Field control={form.control} name="custom" label={words.customLabel(currency)} inputMode="decimal" /> : null}
      <p className={text.help}>{words.help}</p>
      <CliHint command={cli.topUp(amountOf({ choice: choice ?? "", custom: custom ?? "" }))} />
    </Form>
  );
}
