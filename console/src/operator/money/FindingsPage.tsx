import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { useSearchParams } from "react-router";
import * as z from "zod/mini";
import { useFindings } from "~/api/books";
import { resolveFinding, useCommand } from "~/api/commands";
import type { Finding } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { SEVERITIES, severityOf } from "~/moneyStates";
import { placeOf } from "~/places";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Consequences } from "~/ui/Consequences";
import { CliHint } from "~/ui/Copy";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { Filter } from "~/ui/Filter";
import { FindingMoney, FindingWhat } from "./finding";
import { MoneyPage } from "./MoneyPage";

const words = t.money.findings;

const schema = z.object({ reason: z.string().check(z.trim(), z.minLength(3, words.reasonInvalid), z.maxLength(500, words.reasonInvalid)) });

function ResolveForm({ one, onClose }: { one: Finding; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { reason: "" } });
  const resolving = useCommand(resolveFinding);
  const reason = useWatch({ control: form.control, name: "reason" });
  return (
    <Form form={form} doing={resolving} onSubmit={(asked) => resolving.mutate({ id: one.id, ...asked }, { onSuccess: onClose })} submit={words.resolve} onCancel={onClose}>
      <FindingWhat finding={one} />
      <Consequences lines={words.consequences} />
      <Field control={form.control} name="reason" label={words.reason} autoFocus />
      <CliHint command={cli.resolveFinding(one.id, reason)} />
    </Form>
  );
}

function columns(onResolve: (one: Finding) => void): Column<Finding>[] {
  return [
    { key: "severity", header: words.column.severity, narrow: true, cell: ({ severity }) => <Status look={severityOf(severity)} /> },
    { key: "what", header: words.column.what, plain: true, cell: (one) => <FindingWhat finding={one} /> },
    { key: "money", header: words.column.money, cell: (one) => <FindingMoney finding={one} /> },
    {
      key: "since",
      header: words.column.since,
      cell: ({ since, seen_at: seen, until }) => (
        <span>
          <Moment at={since} />
          <span className={text.cellSub}>
            {until === null ? words.seen : words.closedAt} <Moment at={until ?? seen} />
          </span>
        </span>
      ),
    },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (one) =>
        one.until === null ? (
          <ActionButton action={actionNamed(one.actions, "resolve")} hideReason size="small" aria-label={words.resolveLabel(one.code, one.subject.id)} onPress={() => onResolve(one)}>
            {words.resolve}
          </ActionButton>
        ) : (
          t.units.none
        ),
    },
  ];
}

/** What was found not to fit: what, how bad, how much money, since when; and closing it on somebody's word. */
export function FindingsPage() {
  const place = placeOf.findings(useSearchParams()[0]);
  const [resolving, setResolving] = useState<Finding>();
  const { filter } = t.money;
  const severities = Object.entries(SEVERITIES).map(([name, { label }]): [string, string] => [name, label]);
  return (
    <MoneyPage
      view="findings"
      filter={
        <>
          <Filter name="severity" label={filter.severity} value={place.severity ?? ""} options={[["", filter.all], ...severities]} />
          <Filter name="state" label={filter.state} value={place.state ?? "all"} options={[["open", filter.open], ["closed", filter.closed], ["all", filter.all]]} />
        </>
      }
    >
      <Panel flush>
        <ListView query={useFindings(place)} caption={words.table} columns={columns(setResolving)} rowKey={({ id }) => id} empty={words.empty} />
      </Panel>
      {resolving === undefined ? null : (
        <Dialog title={words.resolveTitle} onClose={() => setResolving(undefined)}>
          <ResolveForm one={resolving} onClose={() => setResolving(undefined)} />
        </Dialog>
      )}
    </MoneyPage>
  );
}
