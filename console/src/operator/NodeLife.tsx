import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { type Command, drainNode, forceRelease, maintainNode, putBack, quarantineNode, retireNode, selfTest, stopDrain, useCommand } from "~/api/commands";
import type { NodeDetail } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { ActionButton, actionNamed } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import { Dialog } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";

const words = t.operator.life;
const HOUR_S = 3600;

/** What an act on a node is asked with; an act that has no deadline or credit ignores them. */
type Input = { id: string; reason: string; deadline: number; credit: number };

type Act = { action: string; verb: string; command: Command<Input, unknown>; danger?: true; hasDeadline?: true; hasCredit?: true };

const ACTS = {
  drain: { action: "drain", verb: "drain", command: drainNode, hasDeadline: true, hasCredit: true },
  stopDrain: { action: "stop_drain", verb: "stop-drain", command: stopDrain },
  maintain: { action: "maintain", verb: "maintain", command: maintainNode },
  quarantine: { action: "quarantine", verb: "quarantine", command: quarantineNode },
  selfTest: { action: "self_test", verb: "self-test", command: selfTest },
  putBack: { action: "put_back", verb: "put-back", command: putBack },
  retire: { action: "retire", verb: "retire", command: retireNode, danger: true },
  forceRelease: { action: "force_release", verb: "force-release", command: forceRelease, danger: true, hasCredit: true },
} satisfies Record<string, Act>;

type Name = keyof typeof ACTS;

const NAMES = Object.keys(ACTS) as Name[];
const hours = z.string().check(z.regex(/^\d{1,4}(\.\d{1,2})?$/, words.hoursInvalid));
const schema = z.object({
  reason: z.string().check(z.trim(), z.minLength(1, words.reasonInvalid), z.maxLength(500, words.reasonInvalid)),
  deadline: hours,
  credit: hours,
});

const seconds = (written: string) => Math.round(Number(written) * HOUR_S);

function ActForm({ name, node, onClose }: { name: Name; node: NodeDetail; onClose: () => void }) {
  const act: Act = ACTS[name];
  const needsReason = name !== "selfTest";
  const form = useForm({
    resolver: zodResolver(schema),
    // What is not asked for is of no consequence; what is, nobody assumes.
    defaultValues: { reason: needsReason ? "" : words.noReason, deadline: act.hasDeadline ? "" : "0", credit: act.hasCredit ? "" : "0" },
  });
  const doing = useCommand(act.command);
  const written = useWatch({ control: form.control });
  const here = node.residents.filter(({ need }) => need !== "kept").map((one) => one.name);
  const kept = node.residents.filter(({ need }) => need === "kept").map((one) => one.name);
  const send = (values: { reason: string; deadline: string; credit: string }) =>
    doing.mutate({ id: node.id, reason: values.reason, deadline: seconds(values.deadline), credit: seconds(values.credit) }, { onSuccess: onClose });
  return (
    <Form form={form} doing={doing} onSubmit={send} submit={words.act[name]} onCancel={onClose}>
      <ul className={layout.stack} data-gap="8">
        {words.consequences[name](here, kept).map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {act.hasDeadline ? <Field control={form.control} name="deadline" label={words.deadline} help={words.deadlineHelp} inputMode="decimal" autoFocus /> : null}
      {act.hasCredit ? <Field control={form.control} name="credit" label={words.credit} help={words.creditHelp} inputMode="decimal" /> : null}
      {needsReason ? <Field control={form.control} name="reason" label={words.reason} help={words.reasonHelp} autoFocus={!act.hasDeadline} /> : null}
      <CliHint
        command={cli.nodeAct(act.verb, node.name, {
          deadline: act.hasDeadline ? written.deadline || "0" : null,
          credit: act.hasCredit ? written.credit || "0" : null,
          reason: needsReason ? (written.reason ?? "") : null,
        })}
      />
    </Form>
  );
}

/** What an operator does with a node over its life: each act asks first, and names what will follow. */
export function NodeLife({ node }: { node: NodeDetail }) {
  const [asking, setAsking] = useState<Name>();
  return (
    <Panel title={words.title}>
      <div className={layout.stack}>
        {node.drain === null ? null : (
          <Notice tone="warn" title={words.draining(node.drain.deadline_at)}>
            <p>{node.drain.reason}</p>
          </Notice>
        )}
        <div className={layout.cluster}>
          {NAMES.map((name) => {
            const { action, danger }: Act = ACTS[name];
            return (
              <ActionButton key={name} action={actionNamed(node.actions, action)} variant={danger ? "danger" : undefined} hideReason onPress={() => setAsking(name)}>
                {words.act[name]}
              </ActionButton>
            );
          })}
        </div>
        <p className={text.help}>{words.help}</p>
      </div>
      {asking === undefined ? null : (
        <Dialog title={words.ask[asking](node.name)} onClose={() => setAsking(undefined)}>
          <ActForm name={asking} node={node} onClose={() => setAsking(undefined)} />
        </Dialog>
      )}
    </Panel>
  );
}
