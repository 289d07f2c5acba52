import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { createPrice, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { Sku } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";

const words = t.operator.prices;
const DECIMAL = /^\d{1,6}(?:\.\d{1,9})?$/;

const schema = z.object({
  rate: z.string().check(z.trim(), z.regex(DECIMAL, words.rateInvalid)),
  suspended: z.string().check(z.trim(), z.regex(DECIMAL, words.rateInvalid)),
  currency: z.string().check(z.trim(), z.toUpperCase(), z.regex(/^[A-Z]{3}$/, words.currencyInvalid)),
  effective: z.string().check(z.refine((value) => value === "" || !Number.isNaN(new Date(value).getTime()), words.effectiveInvalid)),
});

type Values = z.infer<typeof schema>;

const utc = (local: string) => (local === "" ? undefined : new Date(local).toISOString());

/** A new version of the price of a SKU. Prices are never changed, only followed by others. */
export function PriceForm({ sku, onClose }: { sku: Pick<Sku, "id" | "code">; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { rate: "", suspended: "", currency: "", effective: "" } });
  const keyFor = useIntent();
  const creating = useCommand(createPrice);
  const create = ({ rate, suspended, currency, effective }: Values) => {
    const body = { sku_id: sku.id, per_hour: rate, suspended_per_hour: suspended, currency, effective_at: utc(effective) };
    creating.mutate({ key: keyFor(body), body }, { onSuccess: onClose });
  };
  const written = useWatch({ control: form.control });
  return (
    <Form
      form={form}
      doing={creating}
      onSubmit={create}
      fieldNames={{ per_hour: "rate", suspended_per_hour: "suspended", effective_at: "effective" }}
      submit={words.submit}
      onCancel={onClose}
    >
      <Field control={form.control} name="rate" label={words.rate} help={words.rateHelp} inputMode="decimal" autoFocus />
      <Field control={form.control} name="suspended" label={words.suspended} help={words.suspendedHelp} inputMode="decimal" />
      <Field control={form.control} name="currency" label={words.currency} help={words.currencyHelp} />
      <Field control={form.control} name="effective" type="datetime-local" label={words.effective} help={words.effectiveHelp} optional />
      <CliHint
        command={cli.setPrice(sku.code, {
          rate: written.rate ?? "",
          suspended: written.suspended ?? "",
          currency: (written.currency ?? "").toUpperCase(),
          effective: utc(written.effective ?? "") ?? "",
        })}
      />
    </Form>
  );
}
