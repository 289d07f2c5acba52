import type { ReactNode } from "react";
import { type UseFormReturn, useFormState, useWatch } from "react-hook-form";
import { useWallet } from "~/api/reads";
import type { Offer } from "~/api/types";
import { cli } from "~/cli";
import { formatRate, formatRateAmount } from "~/format/money";
import { formatShape } from "~/format/shape";
import { t } from "~/messages";
import { Button, ReasonedButton } from "~/ui/Button";
import { Check } from "~/ui/controls";
import { CliHint } from "~/ui/Copy";
import { Facts } from "~/ui/Facts";
import { Amount, ExactAmount, RateFigure } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import { Panel } from "~/ui/Panel";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";
import { Advanced } from "./Advanced";
import { pairsIn } from "./given";
import type { LaunchValues } from "./launchForm";
import css from "./LaunchTotal.module.css";
import { gpuText, needsFunds, refusal } from "./OffersTable";
import { suspensionRows } from "./suspension";

const words = t.launch;

/** Where on the page money is taken; on a phone it is far above the bar that says that it is missing. */
export const ADD_FUNDS = "add-funds";

const NAME_CHARACTERS = 31;

/** How the server names the fields. */
const FIELD_NAMES = { startup_script: "script", environment: "variables" } as const;

type LaunchTotalProps = {
  offer: Offer;
  form: UseFormReturn<LaunchValues>;
  doing: { isPending: boolean; error: unknown };
  onLaunch: (values: LaunchValues) => void;
};

/** What the chosen offer costs, in the server's own figures, and the button that starts it. */
export function LaunchTotal({ offer, form, doing, onLaunch }: LaunchTotalProps) {
  const { data: wallet } = useWallet();
  const { name, script, variables, labels } = { ...form.getValues(), ...useWatch({ control: form.control }) };
  const { errors } = useFormState({ control: form.control });
  const { sku, price } = offer;
  const why = refusal(offer);
  const rows: [string, ReactNode][] = [
    [words.total.rate, <RateFigure key="rate" rate={price.per_hour} />],
    [words.total.hour, <data key="hour" value={price.per_hour.amount}>{formatRateAmount(price.per_hour)}</data>],
  ];
  rows.push(...suspensionRows(price));
  rows.push([words.total.hold, <ExactAmount key="hold" money={offer.hold} />]);
  if (wallet !== undefined) rows.push([words.total.available, <Amount key="available" money={wallet.available} />]);
  const submit = words.submit(formatRate(price.per_hour));
  const bar = (
    <>
      <div className={css.bar}>
        {why === null ? (
          <Button type="submit" variant="primary" wide isPending={doing.isPending}>
            {doing.isPending ? words.submitting : submit}
          </Button>
        ) : (
          <ReasonedButton variant="primary" wide reason={why}>
            {submit}
          </ReasonedButton>
        )}
        {needsFunds(offer) ? <a href={`#${ADD_FUNDS}`}>{t.billing.addFunds}</a> : null}
      </div>
      <p className={text.help}>{words.total.seconds}</p>
      <CliHint command={cli.launch(sku.code, name, { script: script !== "", variables: variables !== "", labels: pairsIn(labels) ?? {} })} />
    </>
  );
  return (
    <div className={css.total}>
      <Panel title={sku.name} aside={<Tag>{words.total.title}</Tag>}>
        <p className={text.muted}>
          {formatShape(sku)}
          {sku.gpu_count > 0 ? <span className={text.cellSub}>{gpuText(sku)}</span> : null}
        </p>
        <Facts rows={rows} />
        <Form form={form} doing={doing} onSubmit={onLaunch} fieldNames={FIELD_NAMES} submit={submit} footer={bar}>
          <Field
            control={form.control}
            name="name"
            label={words.name}
            help={errors.name === undefined ? words.nameHelp : undefined}
            maxLength={NAME_CHARACTERS}
            optional
          />
          <Check {...form.register("openTerminal")}>{words.openTerminal}</Check>
          <Advanced control={form.control} open={errors.script !== undefined || errors.variables !== undefined || errors.labels !== undefined} />
          {offer.limits_enforced ? null : <p className={text.help}>{words.notEnforcedHelp}</p>}
        </Form>
      </Panel>
    </div>
  );
}
