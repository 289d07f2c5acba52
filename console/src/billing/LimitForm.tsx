import { zodResolver } from "@hookform/resolvers/zod";
import { useQuery } from "@tanstack/react-query";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { setSpendingLimit, useCommand } from "~/api/commands";
import { allocationsQuery } from "~/api/queries";
import type { AllocationSummary, SpendingLimit } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { Choices } from "~/ui/Choices";
import { Consequences } from "~/ui/Consequences";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import { PickField } from "~/ui/PickField";

const words = t.billing.limits;

const SCOPES = ["day", "month", "allocation"] as const satisfies SpendingLimit["scope"][];

const schema = z
  .object({
    scope: z.enum(SCOPES),
    subject: z.string(),
    amount: z.string().check(z.trim(), z.regex(/^\d{1,6}(?:\.\d{1,3})?$/, t.billing.form.invalid)),
  })
  .check(z.refine(({ scope, subject }) => scope !== "allocation" || subject !== "", { path: ["subject"], error: words.form.chooseFirst }));

type LimitFormProps = {
  /** Null for one that there is not yet. */
  limit: SpendingLimit | null;
  /** The wallet's. */
  currency: string;
  onClose: () => void;
};

const EVERYTHING = { includeEnded: false, labels: [], cursor: null };

const currencyOf = (one: AllocationSummary | undefined) => one?.cost.rate.currency;

/** How much is spent at most in a day, in a month, or on one allocation. */
export function LimitForm({ limit, currency, onClose }: LimitFormProps) {
  const form = useForm<z.infer<typeof schema>>({
    resolver: zodResolver(schema),
    defaultValues: { scope: limit?.scope ?? "day", subject: limit?.subject_id ?? "", amount: limit?.amount.amount ?? "" },
  });
  const setting = useCommand(setSpendingLimit);
  const { scope = "day", subject = "", amount = "" } = useWatch({ control: form.control });
  const ofOne = scope === "allocation";
  const allocations = useQuery({ ...allocationsQuery(EVERYTHING), enabled: limit === null && ofOne }).data?.items ?? [];
  const chosen = allocations.find(({ id }) => id === subject);
  const paidIn = limit?.amount.currency ?? (ofOne ? currencyOf(chosen) : undefined) ?? currency;
  const send = (asked: z.infer<typeof schema>) =>
    setting.mutate({ id: asked.scope === "allocation" ? asked.subject : asked.scope, body: { amount: asked.amount, currency: paidIn } }, { onSuccess: onClose });
  return (
    <Form form={form} doing={setting} onSubmit={send} submit={words.form.submit} onCancel={onClose}>
      {limit === null ? <Choices legend={words.form.of} choices={SCOPES.map((value) => ({ value, label: words.form.scope[value] }))} register={form.register("scope")} /> : null}
      {limit === null && ofOne ? (
        <PickField
          control={form.control}
          name="subject"
          label={words.form.allocation}
          options={[["", words.form.choose], ...allocations.map(({ id, name }): [string, string] => [id, name])]}
        />
      ) : null}
      <Field control={form.control} name="amount" label={words.form.amount(paidIn)} inputMode="decimal" autoFocus />
      <Consequences lines={words.form.consequences[scope]} />
      <CliHint command={cli.setLimit(amount, scope, limit?.subject_name ?? chosen?.name ?? subject)} />
    </Form>
  );
}
