import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { clearGpu, quarantineGpu, useCommand } from "~/api/commands";
import type { NodeDetail } from "~/api/types";
import { cli } from "~/cli";
import { formatMemory } from "~/format/shape";
import { t } from "~/messages";
import { gpuState } from "~/states";
import { ActionButton, actionNamed } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import { type Column, DataTable } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import { Panel, PanelNote } from "~/ui/Panel";
import text from "~/ui/text.module.css";

const words = t.operator.node;

type Gpu = NonNullable<NodeDetail["inventory"]>["gpus"][number];

/** What is done to one GPU for a reason. */
const ACTS = {
  clear: {
    action: "clear_gpu",
    command: clearGpu,
    hint: cli.clearGpu,
    words: { act: words.clear, title: words.clearTitle, what: words.clearHint, label: words.reason, help: words.reasonHelp, invalid: words.reasonInvalid },
  },
  keep: {
    action: "quarantine_gpu",
    command: quarantineGpu,
    hint: cli.quarantineGpu,
    words: { act: words.keep, title: words.keepTitle, what: words.keepHint, label: words.why, help: words.whyHelp, invalid: words.whyInvalid },
  },
};

type Act = (typeof ACTS)[keyof typeof ACTS];

function ActForm({ act, node, gpu, onClose }: { act: Act; node: NodeDetail; gpu: Gpu; onClose: () => void }) {
  const schema = z.object({ reason: z.string().check(z.trim(), z.minLength(1, act.words.invalid), z.maxLength(500, act.words.invalid)) });
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { reason: "" } });
  const doing = useCommand(act.command);
  const written = useWatch({ control: form.control, name: "reason" });
  return (
    <Form form={form} doing={doing} onSubmit={({ reason }) => doing.mutate({ id: node.id, gpu: gpu.uuid, reason }, { onSuccess: onClose })} submit={act.words.act} onCancel={onClose}>
      <p>{act.words.what}</p>
      <Field control={form.control} name="reason" label={act.words.label} help={act.words.help} autoFocus />
      <CliHint command={act.hint(node.name, gpu.uuid, written)} />
    </Form>
  );
}

/** What its driver says of it, and what is wrong with it and what to do. */
function Health({ health }: { health: Gpu["health"] }) {
  if (health === null) return words.health.unknown;
  const { worst, temperature, busy_percent: busy, memory_used_mib: used, findings } = health;
  const figures = [
    temperature === null ? null : words.health.temperature(temperature),
    busy === null ? null : words.health.busy(busy),
    used === null ? null : words.health.used(formatMemory(used)),
  ].filter((figure) => figure !== null);
  return (
    <div>
      {words.health.worst[worst ?? "well"]}
      {figures.length === 0 ? null : <p className={text.help}>{t.units.join(figures)}</p>}
      {findings.map((finding) => (
        <p key={finding.code} className={text.help}>
          {words.health.finding(finding)}
        </p>
      ))}
    </div>
  );
}

/** The GPUs of a node: each can be kept from customers, and given out again, on the operator's word. */
export function Gpus({ node, gpus }: { node: NodeDetail; gpus: Gpu[] }) {
  const [asking, setAsking] = useState<{ act: Act; gpu: Gpu }>();
  const columns: Column<Gpu>[] = [
    {
      key: "model",
      header: words.gpuColumn.model,
      plain: true,
      cell: ({ model, uuid }) => (
        <div>
          <span className={text.cellMain}>{model}</span>
          <p className={text.help}>
            <code>{uuid}</code>
          </p>
        </div>
      ),
    },
    { key: "memory", header: words.gpuColumn.memory, cell: ({ memory_mib }) => formatMemory(memory_mib) },
    {
      key: "state",
      header: words.gpuColumn.state,
      cell: ({ state, quarantine }) => (
        <div>
          {gpuState(state).label}
          {quarantine === null ? null : <p className={text.help}>{words.quarantine(quarantine)}</p>}
        </div>
      ),
    },
    { key: "health", header: words.gpuColumn.health, cell: ({ health }) => <Health health={health} /> },
    {
      key: "act",
      header: words.gpuColumn.act,
      narrow: true,
      cell: (gpu) => {
        const { toClear, toKeep } = gpuState(gpu.state);
        const act = toClear ? ACTS.clear : toKeep ? ACTS.keep : undefined;
        return act === undefined ? null : (
          <ActionButton action={actionNamed(node.actions, act.action)} hideReason onPress={() => setAsking({ act, gpu })}>
            {act.words.act}
          </ActionButton>
        );
      },
    },
  ];
  return (
    <Panel title={words.gpus} flush>
      {gpus.length === 0 ? (
        <PanelNote>{words.noGpu}</PanelNote>
      ) : (
        <DataTable caption={words.gpus} columns={columns} rows={gpus} rowKey={({ uuid }) => uuid} />
      )}
      {asking === undefined ? null : (
        <Dialog title={asking.act.words.title(asking.gpu.model)} onClose={() => setAsking(undefined)}>
          <ActForm act={asking.act} node={node} gpu={asking.gpu} onClose={() => setAsking(undefined)} />
        </Dialog>
      )}
    </Panel>
  );
}
