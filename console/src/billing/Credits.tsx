import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { redeemCode, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { useCredits } from "~/api/reads";
import type { Credit } from "~/api/types";
import { cli } from "~/cli";
import { formatMoney, isNothing } from "~/format/money";
import { t } from "~/messages";
import { ActionButton, actionNamed } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Amount, ExactAmount, Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import { ListPanel } from "~/ui/List";
import { Notice } from "~/ui/Notice";
import { useCursor } from "~/ui/Pager";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { creditStanding } from "./standing";

const words = t.billing.credits;

const schema = z.object({ code: z.string().check(z.trim(), z.minLength(1, words.form.invalid), z.maxLength(64, words.form.invalid)) });

function RedeemForm({ onDone, onClose }: { onDone: (amount: string) => void; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { code: "" } });
  const redeeming = useCommand(redeemCode);
  const keyFor = useIntent();
  const code = useWatch({ control: form.control, name: "code" });
  const send = (body: { code: string }) => redeeming.mutate({ key: keyFor(body), body }, { onSuccess: ({ amount }) => onDone(formatMoney(amount)) });
  return (
    <Form form={form} doing={redeeming} onSubmit={send} submit={words.form.submit} onCancel={onClose}>
      <p className={text.help}>{words.form.lead}</p>
      <Field control={form.control} name="code" label={words.form.code} mono autoFocus />
      <CliHint command={cli.redeem(code)} />
    </Form>
  );
}

const columns: Column<Credit>[] = [
  {
    key: "reason",
    header: words.column.reason,
    plain: true,
    cell: ({ reason, given_at: at }) => (
      <span className={text.break}>
        <span className={text.cellMain}>{reason}</span>
        {at === null ? null : (
          <span className={text.cellSub}>
            {words.given} <Moment at={at} />
          </span>
        )}
      </span>
    ),
  },
  {
    key: "state",
    header: words.column.state,
    cell: (one) => (
      <span>
        <Status look={creditStanding(one)} />
        {isNothing(one.expired) ? null : <span className={text.cellSub}>{words.expired(formatMoney(one.expired))}</span>}
      </span>
    ),
  },
  { key: "until", header: words.column.until, cell: ({ expires_at: at }) => (at === null ? words.never : <Moment at={at} />) },
  { key: "amount", header: words.column.amount, numeric: true, cell: ({ amount }) => <Amount money={amount} /> },
  { key: "left", header: words.column.left, numeric: true, cell: ({ left }) => <ExactAmount money={left} /> },
];

/** What was given and not paid for: what is left of each, until when; and redeeming a code. */
export function Credits() {
  const [redeeming, setRedeeming] = useState(false);
  const [redeemed, setRedeemed] = useState<string>();
  const query = useCredits(useCursor());
  return (
    <>
      {redeemed === undefined ? null : (
        <Notice tone="ok" title={words.done(redeemed)} role="status">
          <p>{words.doneDetail}</p>
        </Notice>
      )}
      <ListPanel
        title={words.title}
        caption={words.title}
        lead={words.lead}
        query={query}
        columns={columns}
        rowKey={({ id }) => id}
        empty={words.empty}
        action={
          <ActionButton action={actionNamed(query.data?.actions ?? [], "redeem")} size="small" variant="primary" onPress={() => setRedeeming(true)}>
            {words.redeem}
          </ActionButton>
        }
      />
      {redeeming ? (
        <Dialog title={words.form.title} onClose={() => setRedeeming(false)}>
          <RedeemForm
            onDone={(amount) => {
              setRedeemed(amount);
              setRedeeming(false);
            }}
            onClose={() => setRedeeming(false)}
          />
        </Dialog>
      ) : null}
    </>
  );
}
