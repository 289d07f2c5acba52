import { zodResolver } from "@hookform/resolvers/zod";
import { useId, useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { Link, useSearchParams } from "react-router";
import * as z from "zod/mini";
import { approveAct, rejectAct, useCommand } from "~/api/commands";
import { useApprovals, useNode } from "~/api/reads";
import type { Approval, Money } from "~/api/types";
import { cli } from "~/cli";
import { formatExact } from "~/format/money";
import { t } from "~/messages";
import { to } from "~/paths";
import { placeOf } from "~/places";
import { APPROVAL_STATES, approvalState } from "~/states";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Consequences } from "~/ui/Consequences";
import { Select } from "~/ui/controls";
import { CliHint } from "~/ui/Copy";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { ListPage } from "~/ui/List";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { creditHours } from "./creditHours";

const words = t.approvals;

type Decision = "approve" | "refuse";

const schema = z.object({ reason: z.string().check(z.trim(), z.minLength(1, words.reasonInvalid), z.maxLength(500, words.reasonInvalid)) });

/** What an act is called; one that this console does not know goes by its own name. */
const named = (act: string) => words.acts[act]?.name ?? words.moneyActs[act]?.name ?? act;

/** How much an act on money is about, if it says so as the API says money. */
function amountOf({ parameters: { amount } }: Approval): string {
  const money = amount as Partial<Money> | null | undefined;
  return typeof money?.amount === "string" && typeof money.currency === "string" ? formatExact({ amount: money.amount, currency: money.currency }) : t.units.none;
}

const isOfNode = ({ act }: Approval) => act.startsWith("node.");

/** What the act will do to what runs, to money and to capacity; of one that is not known here, all that the server says. */
function useConsequences(one: Approval): string[] {
  const meaning = words.acts[one.act];
  const node = useNode(isOfNode(one) ? one.subject : "", meaning !== undefined);
  const ofMoney = words.moneyActs[one.act];
  if (ofMoney !== undefined) return ofMoney.consequences(amountOf(one), one.parameters);
  if (meaning === undefined) return Object.entries(one.parameters).map(([name, value]) => words.parameter(name, JSON.stringify(value)));
  if (node.data === undefined) return [words.reading];
  return meaning.consequences(node.data.name, node.data.residents.map(({ name }) => name), creditHours(one) ?? "0");
}

function DecisionForm({ one, decision, onClose }: { one: Approval; decision: Decision; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { reason: "" } });
  const deciding = useCommand(decision === "approve" ? approveAct : rejectAct);
  const consequences = useConsequences(one);
  const reason = useWatch({ control: form.control, name: "reason" });
  return (
    <Form
      form={form}
      doing={deciding}
      onSubmit={(asked) => deciding.mutate({ id: one.id, ...asked }, { onSuccess: onClose })}
      submit={words[decision]}
      onCancel={onClose}
    >
      <p className={text.break}>{words.asked(one.requested_by.name, one.reason)}</p>
      <Consequences lines={decision === "approve" ? [...consequences, words.once(one.requested_by.name)] : words.refuseConsequences} />
      <Field control={form.control} name="reason" label={words.reason} help={words.reasonHelp} autoFocus />
      {decision === "approve" ? null : <CliHint command={cli.refuseApproval(one.id, reason)} />}
    </Form>
  );
}

function Next({ one }: { one: Approval }) {
  const { state, expires_at: until } = one;
  const [asker, decider] = [one.requested_by.name, one.decided_by?.name ?? words.somebody];
  return (
    <span className={text.break}>
      {words.next[state]?.(asker, decider) ?? words.unknownState}
      {state === "requested" || state === "approved" ? (
        <span className={text.cellSub}>
          {words.expires} <Moment at={until} />
        </span>
      ) : null}
    </span>
  );
}

function Decide({ one, onDecide }: { one: Approval; onDecide: (decision: Decision) => void }) {
  const [approve, reject] = [actionNamed(one.actions, "approve"), actionNamed(one.actions, "reject")];
  const what = `${named(one.act)} ${one.subject}`;
  if (one.state !== "requested") return t.units.none;
  // Who may not decide at all reads why once; who may, and has not just signed in, reads that beside the one button.
  const decided = reject?.allowed === false ? { ...reject, name: "approve" } : approve;
  return (
    <span className={layout.cluster}>
      <ActionButton action={decided} size="small" variant="primary" aria-label={words.approveLabel(what)} onPress={() => onDecide("approve")}>
        {words.approve}
      </ActionButton>
      <ActionButton action={reject} hideReason size="small" aria-label={words.refuseLabel(what)} onPress={() => onDecide("refuse")}>
        {words.refuse}
      </ActionButton>
    </span>
  );
}

function StateFilter({ state }: { state: string | null }) {
  const [, setSearch] = useSearchParams();
  const id = useId();
  return (
    <span className={layout.cluster}>
      <label className={text.label} htmlFor={id}>
        {words.filter}
      </label>
      <Select id={id} value={state ?? ""} onChange={({ target }) => setSearch(target.value === "" ? {} : { state: target.value })}>
        <option value="">{words.all}</option>
        {Object.entries(APPROVAL_STATES).map(([name, { label }]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </Select>
    </span>
  );
}

/** What a second person has to approve: who asks for what and why, what it will do, and the decision. */
export function ApprovalsPage() {
  const place = placeOf.approvals(useSearchParams()[0]);
  const [deciding, setDeciding] = useState<{ one: Approval; decision: Decision }>();
  const columns: Column<Approval>[] = [
    {
      key: "act",
      header: words.column.act,
      plain: true,
      cell: (one) => (
        <span>
          <span className={text.cellMain}>{named(one.act)}</span>
          <span className={text.cellSub}>{isOfNode(one) ? <Link to={to.operator.node(one.subject)}>{words.subject(one.subject)}</Link> : <code>{one.subject}</code>}</span>
          <span className={text.cellSub}>
            <code>{one.id}</code>
          </span>
        </span>
      ),
    },
    { key: "state", header: words.column.state, narrow: true, cell: ({ state }) => <Status look={approvalState(state)} /> },
    {
      key: "asked",
      header: words.column.asked,
      cell: ({ requested_by: who, requested_at: at }) => (
        <span>
          <span title={who.id}>{who.name}</span>
          <span className={text.cellSub}>
            <Moment at={at} />
          </span>
        </span>
      ),
    },
    { key: "reason", header: words.column.reason, cell: ({ reason }) => <span className={text.break}>{reason}</span> },
    { key: "next", header: words.column.next, cell: (one) => <Next one={one} /> },
    { key: "decide", header: words.column.decide, cell: (one) => <Decide one={one} onDecide={(decision) => setDeciding({ one, decision })} /> },
  ];
  return (
    <ListPage
      title={words.title}
      query={useApprovals(place)}
      filter={<StateFilter state={place.state} />}
      caption={words.table}
      columns={columns}
      rowKey={({ id }) => id}
      empty={place.state === null ? words.empty : t.money.filter.nothing}
    >
      {deciding === undefined ? null : (
        <Dialog
          title={(deciding.decision === "approve" ? words.approveTitle : words.refuseTitle)(named(deciding.one.act))}
          onClose={() => setDeciding(undefined)}
        >
          <DecisionForm {...deciding} onClose={() => setDeciding(undefined)} />
        </Dialog>
      )}
    </ListPage>
  );
}
