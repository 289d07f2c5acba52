import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { createPrice, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { Sku } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { Choices } from "~/ui/Choices";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";

const words = t.operator.prices;
const DECIMAL = /^\d{1,6}(?:\.\d{1,9})?$/;

const HOURS = /^[1-9]\d{0,3}$/;
const MOST_HOURS = 8760;

const schema = z
  .object({
    rate: z.string().check(z.trim(), z.regex(DECIMAL, words.rateInvalid)),
    claim: z.enum(["none", "hours", "always"]),
    hours: z.string().check(z.trim()),
    suspended: z.string().check(z.trim()),
    disk: z.string().check(z.trim()),
    currency: z.string().check(z.trim(), z.toUpperCase(), z.regex(/^[A-Z]{3}$/, words.currencyInvalid)),
    effective: z.string().check(z.refine((value) => value === "" || !Number.isNaN(new Date(value).getTime()), words.effectiveInvalid)),
  })
  .check(z.refine(({ claim, hours }) => claim !== "hours" || (HOURS.test(hours) && Number(hours) <= MOST_HOURS), { path: ["hours"], error: words.hoursInvalid }))
  .check(z.refine(({ claim, suspended }) => claim === "none" || DECIMAL.test(suspended), { path: ["suspended"], error: words.rateInvalid }))
  .check(z.refine(({ claim, disk }) => claim === "always" || DECIMAL.test(disk), { path: ["disk"], error: words.rateInvalid }));

const CLAIMS = (["none", "hours", "always"] as const).map((value) => ({ value, label: words.claim[value] }));

type Values = z.infer<typeof schema>;

/** No claim is chosen yet: how long a place is kept is for the operator to say. */
const EMPTY = { rate: "", hours: "", suspended: "", disk: "", currency: "", effective: "" };

/** How the server names the fields. */
const FIELD_NAMES = {
  per_hour: "rate",
  suspended_claim: "claim",
  suspended_claim_hours: "hours",
  suspended_per_hour: "suspended",
  disk_per_hour: "disk",
  effective_at: "effective",
} as const;

const utc = (local: string) => (local === "" ? undefined : new Date(local).toISOString());

/** A new version of the price of a SKU. Prices are never changed, only followed by others. */
export function PriceForm({ sku, onClose }: { sku: Pick<Sku, "id" | "code">; onClose: () => void }) {
  const form = useForm<Values>({ resolver: zodResolver(schema), defaultValues: EMPTY });
  const keyFor = useIntent();
  const creating = useCommand(createPrice);
  const create = ({ rate, claim, hours, suspended, disk, currency, effective }: Values) => {
    const body = {
      sku_id: sku.id,
      per_hour: rate,
      suspended_claim: claim,
      suspended_claim_hours: claim === "hours" ? Number(hours) : null,
      suspended_per_hour: claim === "none" ? null : suspended,
      disk_per_hour: claim === "always" ? null : disk,
      currency,
      effective_at: utc(effective),
    };
    creating.mutate({ key: keyFor(body), body }, { onSuccess: onClose });
  };
  const written = useWatch({ control: form.control });
  return (
    <Form
      form={form}
      doing={creating}
      onSubmit={create}
      fieldNames={FIELD_NAMES}
      submit={words.submit}
      onCancel={onClose}
    >
      <Field control={form.control} name="rate" label={words.rate} help={words.rateHelp} inputMode="decimal" autoFocus />
      <Choices legend={words.claim.legend} choices={CLAIMS} register={form.register("claim")} />
      {written.claim === "hours" ? <Field control={form.control} name="hours" label={words.hours} help={words.hoursHelp} inputMode="numeric" /> : null}
      {written.claim === "hours" || written.claim === "always" ? (
        <Field control={form.control} name="suspended" label={words.suspended} help={words.suspendedHelp} inputMode="decimal" />
      ) : null}
      {written.claim === "hours" || written.claim === "none" ? (
        <Field control={form.control} name="disk" label={words.disk} help={words.diskHelp} inputMode="decimal" />
      ) : null}
      <Field control={form.control} name="currency" label={words.currency} help={words.currencyHelp} />
      <Field control={form.control} name="effective" type="datetime-local" label={words.effective} help={words.effectiveHelp} optional />
      <CliHint
        command={cli.setPrice(sku.code, {
          rate: written.rate ?? "",
          claim: written.claim ?? "",
          hours: written.hours ?? "",
          suspended: written.suspended ?? "",
          disk: written.disk ?? "",
          currency: (written.currency ?? "").toUpperCase(),
          effective: utc(written.effective ?? "") ?? "",
        })}
      />
    </Form>
  );
}
