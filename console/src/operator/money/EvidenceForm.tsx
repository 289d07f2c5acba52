import { zodResolver } from "@hookform/resolvers/zod";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { evidenceQuery } from "~/api/books";
import { answerDispute, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { Dispute, DisputeEvidence } from "~/api/types";
import { t } from "~/messages";
import { Facts } from "~/ui/Facts";
import { Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import { QueryView } from "~/ui/QueryView";
import text from "~/ui/text.module.css";

const words = t.money.disputes.evidence;

const schema = z.object({ note: z.string().check(z.trim(), z.maxLength(4000, words.noteInvalid)) });

/** Exactly what the bank gets, field by field. */
function Packet({ evidence }: { evidence: DisputeEvidence }) {
  const due = evidence.dispute.due_by;
  return (
    <Facts
      align="start"
      rows={[
        [words.due, due === null ? t.units.none : <Moment key="due" at={due} />],
        ...Object.entries(evidence.fields).map(([name, value]): [string, ReactNode] => [
          words.field(name),
          <span key={name} className={text.lines}>
            {value}
          </span>,
        ]),
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
