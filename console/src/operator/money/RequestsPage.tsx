import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { useSearchParams } from "react-router";
import * as z from "zod/mini";
import { useAdminRequests } from "~/api/books";
import { declineRefundRequest, grantRefundRequest, useCommand } from "~/api/commands";
import type { RefundRequest } from "~/api/types";
import { cli } from "~/cli";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { REFUND_REQUEST_STATES } from "~/moneyStates";
import { placeOf } from "~/places";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Consequences } from "~/ui/Consequences";
import { CliHint } from "~/ui/Copy";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";
import { StateFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";
import { RefundableOf } from "./Refundable";
import { requestColumns } from "./requestColumns";
import { SecondPerson } from "./SecondPerson";

const words = t.money.requests;

type Decision = "grant" | "decline";

const schema = z.object({ decision: z.string().check(z.trim(), z.minLength(1, words.decisionInvalid), z.maxLength(500, words.decisionInvalid)) });

function DecisionForm({ one, what, onClose }: { one: RefundRequest; what: Decision; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { decision: "" } });
  const granting = useCommand(grantRefundRequest);
  const declining = useCommand(declineRefundRequest);
  const decision = useWatch({ control: form.control, name: "decision" });
  const amount = formatMoney(one.amount);
  if (granting.data?.approval && granting.data.refund === null) return <SecondPerson approval={granting.data.approval} onClose={onClose} />;
  const send = (asked: { decision: string }) => {
    if (what === "decline") declining.mutate({ id: one.id, ...asked }, { onSuccess: onClose });
    else granting.mutate({ id: one.id, ...asked }, { onSuccess: ({ refund }) => refund !== null && onClose() });
  };
  return (
    <Form form={form} doing={what === "grant" ? granting : declining} onSubmit={send} submit={words[what]} onCancel={onClose}>
      <p className={text.break}>{one.reason}</p>
      {what === "grant" ? <RefundableOf organization={one.organization_id} payment={one.top_up_id} /> : null}
      <Consequences lines={what === "grant" ? words.grantConsequences(amount) : words.declineConsequences} />
      <Field control={form.control} name="decision" label={words.decision} autoFocus />
      <CliHint command={cli.decideRefund(what === "grant" ? "approve" : "decline", one.id, decision)} />
    </Form>
  );
}

function Decide({ one, onDecide }: { one: RefundRequest; onDecide: (what: Decision) => void }) {
  if (one.state !== "requested") return t.units.none;
  return (
    <span className={layout.cluster}>
      <ActionButton action={actionNamed(one.actions, "grant")} size="small" variant="primary" aria-label={words.grantLabel(one.id)} onPress={() => onDecide("grant")}>
        {words.grant}
      </ActionButton>
      <ActionButton action={actionNamed(one.actions, "decline")} hideReason size="small" aria-label={words.declineLabel(one.id)} onPress={() => onDecide("decline")}>
        {words.decline}
      </ActionButton>
    </span>
  );
}

function columns(onDecide: (one: RefundRequest, what: Decision) => void): Column<RefundRequest>[] {
  return [...requestColumns, { key: "act", header: words.column.act, cell: (one) => <Decide one={one} onDecide={(what) => onDecide(one, what)} /> }];
}

/** The queue of refund requests: what customers ask to have back and why, what of it can go back, and the decision. */
export function RequestsPage() {
  const place = placeOf.requests(useSearchParams()[0]);
  const [deciding, setDeciding] = useState<{ one: RefundRequest; what: Decision }>();
  return (
    <MoneyPage view="requests" filter={<StateFilter states={REFUND_REQUEST_STATES} value={place.state} />}>
      <Panel flush>
        <ListView
          query={useAdminRequests(place)}
          caption={words.table}
          columns={columns((one, what) => setDeciding({ one, what }))}
          rowKey={({ id }) => id}
          empty={place.state !== null ? t.money.filter.nothing : words.empty}
        />
      </Panel>
      {deciding === undefined ? null : (
        <Dialog
          title={(deciding.what === "grant" ? words.grantTitle : words.declineTitle)(formatMoney(deciding.one.amount))}
          onClose={() => setDeciding(undefined)}
        >
          <DecisionForm {...deciding} onClose={() => setDeciding(undefined)} />
        </Dialog>
      )}
    </MoneyPage>
  );
}
