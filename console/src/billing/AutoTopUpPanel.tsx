import { zodResolver } from "@hookform/resolvers/zod";
import { type ReactNode, useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { setAutoTopUp, turnOffAutoTopUp, useCommand } from "~/api/commands";
import { useAutoTopUp } from "~/api/reads";
import type { AutoTopUp } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { to } from "~/paths";
import { ActionButton, actionNamed, LinkButton } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import { Dialog } from "~/ui/Dialog";
import { Facts } from "~/ui/Facts";
import { Amount, Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { ErrorNotice } from "~/ui/Notice";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { autoTopUpStanding } from "./standing";

const words = t.billing.autoTopUp;
const AMOUNT = /^\d{1,6}(?:\.\d{1,3})?$/;

const decimal = z.string().check(z.trim(), z.regex(AMOUNT, t.billing.form.invalid));
const schema = z.object({ threshold: decimal, amount: decimal, monthly_cap: decimal });

function Bounds({ known, onDone }: { known: AutoTopUp; onDone: () => void }) {
  const form = useForm({
    resolver: zodResolver(schema),
    defaultValues: { threshold: known.threshold?.amount ?? "", amount: known.amount?.amount ?? "", monthly_cap: known.monthly_cap?.amount ?? "" },
  });
  const setting = useCommand(setAutoTopUp);
  const { currency } = known;
  const { threshold = "", amount = "", monthly_cap = "" } = useWatch({ control: form.control });
  return (
    <Form form={form} doing={setting} onSubmit={(body) => setting.mutate({ ...body, currency }, { onSuccess: onDone })} submit={words.submit} onCancel={onDone}>
      <Field control={form.control} name="threshold" label={words.threshold(currency)} help={words.thresholdHelp} inputMode="decimal" autoFocus />
      <Field control={form.control} name="amount" label={words.amount(currency)} help={words.amountHelp} inputMode="decimal" />
      <Field control={form.control} name="monthly_cap" label={words.cap(currency)} help={words.capHelp} inputMode="decimal" />
      <CliHint command={cli.autoTopUp({ threshold, amount, monthly_cap })} />
    </Form>
  );
}

/** When and how much is charged by itself, how that stands, and what changes it. */
export function AutoTopUpPanel() {
  const query = useAutoTopUp();
  const [changing, setChanging] = useState(false);
  const stopping = useCommand(turnOffAutoTopUp);
  return (
    <Panel title={words.title} aside={<Freshness query={query} />}>
      <QueryView query={query}>
        {(known) => (
          <div className={layout.stack}>
            <p className={text.help}>{words.lead}</p>
            {stopping.isError ? <ErrorNotice error={stopping.error} /> : null}
            <Facts rows={factsOf(known)} />
            <div className={layout.cluster}>
              {known.top_up_id ? <LinkButton size="small" to={to.topUp(known.top_up_id)}>{words.showPayment}</LinkButton> : null}
              <ActionButton action={actionNamed(known.actions, "set")} size="small" variant="primary" onPress={() => setChanging(true)}>
                {known.enabled ? words.change : words.turnOn}
              </ActionButton>
              {known.enabled ? (
                <ActionButton action={actionNamed(known.actions, "turn_off")} size="small" isPending={stopping.isPending} onPress={() => stopping.mutate(undefined)}>
                  {words.turnOff}
                </ActionButton>
              ) : null}
            </div>
            {changing ? (
              <Dialog title={words.title} onClose={() => setChanging(false)}>
                <Bounds known={known} onDone={() => setChanging(false)} />
              </Dialog>
            ) : null}
          </div>
        )}
      </QueryView>
    </Panel>
  );
}

function factsOf({ standing, threshold, amount, monthly_cap, charged_this_month, tries_again_at, enabled }: AutoTopUp): [string, ReactNode][] {
  const { said, ...look } = autoTopUpStanding(standing);
  const rows: [string, ReactNode][] = [
    [
      words.facts.standing,
      <span key="standing" className={layout.stack}>
        <Status look={look} />
        <span className={text.help}>{said}</span>
      </span>,
    ],
  ];
  if (!enabled || !threshold || !amount || !monthly_cap || !charged_this_month) return rows;
  rows.push(
    [words.facts.threshold, <Amount key="threshold" money={threshold} />],
    [words.facts.amount, <Amount key="amount" money={amount} />],
    [
      words.facts.cap,
      <span key="cap">
        <Amount money={charged_this_month} />
        {words.ofCap}
        <Amount money={monthly_cap} />
      </span>,
    ],
  );
  if (tries_again_at) rows.push([words.facts.next, <Moment key="next" at={tries_again_at} />]);
  return rows;
}
