import { zodResolver } from "@hookform/resolvers/zod";
import { useQuery } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { evidenceQuery } from "~/api/books";
import { answerDispute, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { Dispute, DisputeEvidence } from "~/api/types";
import { formatMoney } from "~/format/money";
import { t } from "~/messages";
import { Facts } from "~/ui/Facts";
import { Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import { QueryView } from "~/ui/QueryView";
import text from "~/ui/text.module.css";

const words = t.money.disputes.evidence;
const SHOWN = 5;

const schema = z.object({ note: z.string().check(z.trim(), z.maxLength(4000, words.noteInvalid)) });

/** The first of many lines, and how many more there are. */
function Lines({ lines, none, further = 0 }: { lines: string[]; none: string; further?: number }) {
  if (lines.length === 0) return none;
  const more = lines.length - SHOWN + further;
  return [...lines.slice(0, SHOWN), ...(more > 0 ? [words.more(more)] : [])].map((line) => (
    <span key={line} className={text.cellSub}>
      {line}
    </span>
  ));
}

function Packet({ evidence }: { evidence: DisputeEvidence }) {
  const { dispute, customer, payment, terms, charges, sign_ins: signIns } = evidence;
  const charged = charges.map((one) => words.charge(one.name ?? one.subject_id, formatMoney(one.amount), one.seen_count === null ? "" : words.seen(one.seen_count)));
  return (
    <Facts
      align="start"
      rows={[
        [words.due, dispute.due_by === null ? t.units.none : <Moment key="due" at={dispute.due_by} />],
        [words.customer, customer.name],
        [words.payment, `${formatMoney(payment.amount)} ${payment.card ?? ""}`],
        [words.spent, formatMoney(evidence.spent)],
        [words.terms, <Lines key="terms" lines={terms.map((one) => words.accepted(one.version, one.user_id))} none={words.noTerms} />],
        [words.charges, <Lines key="charges" lines={charged} none={words.noCharges} further={evidence.charges_left_out} />],
        [words.signIns, <Lines key="signIns" lines={signIns.map((one) => words.signIn(one.how, one.address ?? t.units.none))} none={words.noSignIns} />],
      ]}
    />
  );
}

/** What speaks for a disputed payment, and sending it to the bank. */
export function EvidenceForm({ dispute, onClose }: { dispute: Dispute; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { note: "" } });
  const answering = useCommand(answerDispute);
  const keyFor = useIntent();
  return (
    <QueryView query={useQuery(evidenceQuery(dispute.id))}>
      {(evidence) => (
        <Form
          form={form}
          doing={answering}
          onSubmit={({ note }) => {
            const body = { note: note === "" ? null : note };
            answering.mutate({ id: dispute.id, key: keyFor({ id: dispute.id, ...body }), body }, { onSuccess: onClose });
          }}
          submit={words.submit}
          onCancel={onClose}
        >
          <Packet evidence={evidence} />
          <Field control={form.control} name="note" label={words.note} help={words.noteHelp} multiline optional />
        </Form>
      )}
    </QueryView>
  );
}
