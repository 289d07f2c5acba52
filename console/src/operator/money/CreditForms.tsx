/** Forms that give credit: to one customer, or to whoever redeems a code. */
import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { useCustomers } from "~/api/books";
import { createPromoCode, grantCredit, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { CreditBudget } from "~/api/types";
import { cli } from "~/cli";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { Choices } from "~/ui/Choices";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { PickField } from "~/ui/PickField";
import text from "~/ui/text.module.css";
import { SecondPerson } from "./SecondPerson";

const words = t.money.credits.form;
const { payments } = t.money;

const EXPIRY = ["after", "never"] as const;

const wholeNumber = z.string().check(z.trim(), z.regex(/^[1-9]\d{0,4}$/, words.numberInvalid));

const given = {
  amount: z.string().check(z.trim(), z.regex(/^\d{1,6}(?:\.\d{1,6})?$/, payments.amountInvalid)),
  currency: z.string().check(z.trim(), z.regex(/^[A-Z]{3}$/, payments.currencyInvalid)),
  expiry: z.enum(EXPIRY),
  validDays: z.string().check(z.trim(), z.regex(/^([1-9]\d{0,4})?$/, words.numberInvalid)),
  reason: z.string().check(z.trim(), z.minLength(1, payments.reasonInvalid), z.maxLength(500, payments.reasonInvalid)),
};

type Expiring = { expiry: (typeof EXPIRY)[number]; validDays: string };

/** Whether it is said until when: a number of days, or that it does not expire. */
const saysUntilWhen = z.refine<Expiring>(({ expiry, validDays }) => expiry === "never" || validDays !== "", { path: ["validDays"], error: words.numberInvalid });

const grantSchema = z.object({ organization: z.string().check(z.minLength(1, words.customerInvalid)), ...given }).check(saysUntilWhen);
const codeSchema = z
  .object({ code: z.string().check(z.trim(), z.toUpperCase(), z.regex(/^[A-Z0-9][A-Z0-9-]{6,38}[A-Z0-9]$/, words.codeInvalid)), uses: wholeNumber, days: wholeNumber, ...given })
  .check(saysUntilWhen);

const daysOf = ({ expiry, validDays }: Expiring) => (expiry === "never" ? null : Number(validDays));

const CHOICES = EXPIRY.map((value) => ({ value, label: words.expiry[value] }));
const NAMES = { organization_id: "organization", valid_days: "validDays" } as const;

type FormProps = { budget: CreditBudget | undefined; onClose: () => void };

function Left({ budget }: Pick<FormProps, "budget">) {
  return <p className={text.help}>{budget === undefined ? words.twoPeople : words.left(formatMoney(budget.left))}</p>;
}

export function GrantForm({ budget, organization, onClose }: FormProps & { organization: string }) {
  const form = useForm<z.infer<typeof grantSchema>>({
    resolver: zodResolver(grantSchema),
    defaultValues: { organization, amount: "", currency: budget?.whole.currency ?? "", expiry: "after", validDays: "", reason: "" },
  });
  const granting = useCommand(grantCredit);
  const keyFor = useIntent();
  const asked = useWatch({ control: form.control });
  const customers = useCustomers().data?.items ?? [];
  if (granting.data?.approval && granting.data.credit === null) return <SecondPerson approval={granting.data.approval} onClose={onClose} />;
  const send = ({ organization: id, amount, currency, reason, ...until }: z.infer<typeof grantSchema>) => {
    const body = { organization_id: id, amount, currency, valid_days: daysOf(until), reason };
    granting.mutate({ key: keyFor(body), body }, { onSuccess: ({ credit }) => credit !== null && onClose() });
  };
  return (
    <Form form={form} doing={granting} onSubmit={send} fieldNames={{ ...NAMES }} submit={words.give} onCancel={onClose}>
      <Left budget={budget} />
      <PickField
        control={form.control}
        name="organization"
        label={t.money.filter.customer}
        options={[["", t.money.filter.choose], ...customers.map(({ id, name, owner_email: email }): [string, string] => [id, `${name} (${email})`])]}
      />
      <div className={layout.fields}>
        <Field control={form.control} name="amount" label={words.amount} inputMode="decimal" autoFocus />
        <Field control={form.control} name="currency" label={t.money.filter.currency} maxLength={3} />
      </div>
      <Choices legend={words.expires} choices={CHOICES} register={form.register("expiry")} />
      {asked.expiry === "after" ? <Field control={form.control} name="validDays" label={words.validDays} inputMode="numeric" /> : null}
      <Field control={form.control} name="reason" label={payments.reason} help={words.customerReads} />
      <CliHint command={cli.grant(asked)} />
    </Form>
  );
}

export function CodeForm({ budget, onClose }: FormProps) {
  const form = useForm<z.infer<typeof codeSchema>>({
    resolver: zodResolver(codeSchema),
    defaultValues: { code: "", uses: "", days: "", amount: "", currency: budget?.whole.currency ?? "", expiry: "after", validDays: "", reason: "" },
  });
  const making = useCommand(createPromoCode);
  const keyFor = useIntent();
  const asked = useWatch({ control: form.control });
  if (making.data?.approval && making.data.promo_code === null) return <SecondPerson approval={making.data.approval} onClose={onClose} />;
  const send = ({ code, uses, days, amount, currency, reason, ...until }: z.infer<typeof codeSchema>) => {
    const body = { code, amount, currency, most_uses: Number(uses), days: Number(days), valid_days: daysOf(until), reason };
    making.mutate({ key: keyFor(body), body }, { onSuccess: ({ promo_code: made }) => made !== null && onClose() });
  };
  return (
    <Form form={form} doing={making} onSubmit={send} fieldNames={{ most_uses: "uses", valid_days: "validDays" }} submit={words.make} onCancel={onClose}>
      <Left budget={budget} />
      <Field control={form.control} name="code" label={words.code} help={words.codeHelp} mono autoFocus />
      <div className={layout.fields}>
        <Field control={form.control} name="amount" label={words.each} inputMode="decimal" />
        <Field control={form.control} name="currency" label={t.money.filter.currency} maxLength={3} />
      </div>
      <div className={layout.fields}>
        <Field control={form.control} name="uses" label={words.uses} inputMode="numeric" />
        <Field control={form.control} name="days" label={words.days} inputMode="numeric" />
      </div>
      <Choices legend={words.expires} choices={CHOICES} register={form.register("expiry")} />
      {asked.expiry === "after" ? <Field control={form.control} name="validDays" label={words.validDays} inputMode="numeric" /> : null}
      <Field control={form.control} name="reason" label={payments.reason} help={words.trailReads} />
      <CliHint command={cli.makeCode(asked)} />
    </Form>
  );
}
