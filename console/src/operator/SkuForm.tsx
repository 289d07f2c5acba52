import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { createSku, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { cli } from "~/cli";
import { t } from "~/messages";
import { Choices } from "~/ui/Choices";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import text from "~/ui/text.module.css";
import { areLabels, parseLabels } from "./labels";

const words = t.operator.skuForm;
const MIB_PER_GIB = 1024;

const whole = z.string().check(z.regex(/^[1-9]\d*$/, words.numberInvalid));

const schema = z
  .object({
    code: z.string().check(z.trim(), z.regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/, words.codeInvalid)),
    name: z.string().check(z.trim(), z.minLength(1, words.nameInvalid)),
    vcpu: whole,
    memory: whole,
    disk: whole,
    network: z.string().check(z.regex(/^([1-9]\d{0,5}|1000000)?$/, words.networkInvalid)),
    gpuModel: z.string().check(z.trim()),
    gpuCount: z.string().check(z.regex(/^\d+$/, words.countInvalid)),
    node: z.enum(["shared", "whole", "network"]),
    labels: z.string().check(z.refine(areLabels, t.operator.addNode.labelsInvalid)),
  })
  .check(z.refine(({ gpuModel, gpuCount }) => gpuModel === "" || gpuCount !== "0", { path: ["gpuCount"], error: words.gpuMismatch }))
  .check(z.refine(({ node, network }) => node !== "network" || network === "", { path: ["network"], error: words.networkMismatch }));

type Values = z.infer<typeof schema>;

const asked = (values: Values) => ({
  code: values.code,
  name: values.name,
  vcpu: Number(values.vcpu),
  memory_mib: Number(values.memory) * MIB_PER_GIB,
  disk_gib: Number(values.disk),
  network_mbit: values.network === "" ? null : Number(values.network),
  gpu_model: values.gpuModel === "" ? null : values.gpuModel,
  gpu_count: Number(values.gpuCount),
  whole_node: values.node !== "shared",
  node_network: values.node === "network",
  node_labels: parseLabels(values.labels),
});

const EMPTY: Values = { code: "", name: "", vcpu: "1", memory: "1", disk: "10", network: "", gpuModel: "", gpuCount: "0", node: "shared", labels: "" };

const NODES = (["shared", "whole", "network"] as const).map((value) => ({ value, label: words.node[value] }));

/** A new sellable shape. It is on offer once it has a price and a node can serve it. */
export function SkuForm({ onDone, onCancel }: { onDone: (id: string) => void; onCancel: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: EMPTY });
  const keyFor = useIntent();
  const creating = useCommand(createSku);
  const create = (values: Values) => creating.mutate({ key: keyFor(asked(values)), body: asked(values) }, { onSuccess: ({ id }) => onDone(id) });
  const written = useWatch({ control: form.control });
  return (
    <Form
      form={form}
      doing={creating}
      onSubmit={create}
      fieldNames={{ memory_mib: "memory", disk_gib: "disk", network_mbit: "network", gpu_model: "gpuModel", gpu_count: "gpuCount", node_labels: "labels" }}
      submit={words.submit}
      onCancel={onCancel}
    >
      <div className={layout.fields}>
        <Field control={form.control} name="code" label={words.code} autoFocus />
        <Field control={form.control} name="name" label={words.name} />
      </div>
      <p className={text.help}>{words.codeHelp}</p>
      <div className={layout.fields} data-three>
        <Field control={form.control} name="vcpu" label={words.vcpu} inputMode="numeric" />
        <Field control={form.control} name="memory" label={words.memory} inputMode="numeric" />
        <Field control={form.control} name="disk" label={words.disk} inputMode="numeric" />
      </div>
      <div className={layout.fields}>
        <Field control={form.control} name="gpuModel" label={words.gpuModel} optional />
        <Field control={form.control} name="gpuCount" label={words.gpuCount} inputMode="numeric" />
      </div>
      <Field control={form.control} name="network" label={words.network} help={words.networkHelp} inputMode="numeric" optional />
      <Choices legend={words.node.legend} choices={NODES} register={form.register("node")} />
      <Field control={form.control} name="labels" label={words.labels} help={words.labelsHelp} optional multiline mono />
      <CliHint
        command={cli.createSku({
          ...EMPTY,
          ...written,
          labels: parseLabels(written.labels ?? ""),
        })}
      />
    </Form>
  );
}
