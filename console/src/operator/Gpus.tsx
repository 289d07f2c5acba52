import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { clearGpu, useCommand } from "~/api/commands";
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

const schema = z.object({ reason: z.string().check(z.trim(), z.minLength(1, words.reasonInvalid), z.maxLength(500, words.reasonInvalid)) });

function ClearForm({ node, gpu, onClose }: { node: NodeDetail; gpu: Gpu; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { reason: "" } });
  const clearing = useCommand(clearGpu);
  const written = useWatch({ control: form.control, name: "reason" });
  return (
    <Form form={form} doing={clearing} onSubmit={({ reason }) => clearing.mutate({ id: node.id, gpu: gpu.uuid, reason }, { onSuccess: onClose })} submit={words.clear} onCancel={onClose}>
      <p>{words.clearHint}</p>
      <Field control={form.control} name="reason" label={words.reason} help={words.reasonHelp} autoFocus />
      <CliHint command={cli.clearGpu(node.name, gpu.uuid, written)} />
    </Form>
  );
}

/** The GPUs of a node; one in quarantine can be given out again on the operator's word. */
export function Gpus({ node, gpus }: { node: NodeDetail; gpus: Gpu[] }) {
  const [asking, setAsking] = useState<Gpu>();
  const columns: Column<Gpu>[] = [
    { key: "model", header: words.gpuColumn.model, plain: true, cell: ({ model }) => <span className={text.cellMain}>{model}</span> },
    { key: "memory", header: words.gpuColumn.memory, cell: ({ memory_mib }) => formatMemory(memory_mib) },
    { key: "state", header: words.gpuColumn.state, cell: ({ state }) => gpuState(state).label },
    { key: "uuid", header: words.gpuColumn.uuid, cell: ({ uuid }) => <code className={text.break}>{uuid}</code> },
  ];
  if (gpus.some(({ state }) => gpuState(state).toClear)) {
    columns.push({
      key: "act",
      header: words.gpuColumn.act,
      narrow: true,
      cell: (gpu) =>
        gpuState(gpu.state).toClear ? (
          <ActionButton action={actionNamed(node.actions, "clear_gpu")} hideReason onPress={() => setAsking(gpu)}>
            {words.clear}
          </ActionButton>
        ) : null,
    });
  }
  return (
    <Panel title={words.gpus} flush>
      {gpus.length === 0 ? (
        <PanelNote>{words.noGpu}</PanelNote>
      ) : (
        <DataTable caption={words.gpus} columns={columns} rows={gpus} rowKey={({ uuid }) => uuid} />
      )}
      {asking === undefined ? null : (
        <Dialog title={words.clearTitle(asking.model)} onClose={() => setAsking(undefined)}>
          <ClearForm node={node} gpu={asking} onClose={() => setAsking(undefined)} />
        </Dialog>
      )}
    </Panel>
  );
}
