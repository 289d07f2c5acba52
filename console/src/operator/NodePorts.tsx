import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { setPorts, useCommand } from "~/api/commands";
import type { NodeDetail } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { ActionButton, actionNamed } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import { Dialog } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";

const words = t.operator.ports;

const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
const none = ({ first, last }: { first: string; last: string }) => first === "" && last === "";
const port = z.string().check(z.trim());
const schema = z
  .object({ first: port, last: port })
  .check(z.refine((range) => none(range) || isPort(range.first), { path: ["first"], error: words.invalid }))
  .check(z.refine((range) => none(range) || isPort(range.last), { path: ["last"], error: words.invalid }))
  .check(z.refine((range) => none(range) || Number(range.first) <= Number(range.last), { path: ["last"], error: words.backwards }));

function PortsForm({ node, onClose }: { node: NodeDetail; onClose: () => void }) {
  const given = node.ports === null ? { first: "", last: "" } : { first: String(node.ports.first), last: String(node.ports.last) };
  const form = useForm({ resolver: zodResolver(schema), defaultValues: given });
  const setting = useCommand(setPorts);
  const { first = "", last = "" } = useWatch({ control: form.control });
  const send = (range: { first: string; last: string }) =>
    setting.mutate({ id: node.id, range: none(range) ? null : { first: Number(range.first), last: Number(range.last) } }, { onSuccess: onClose });
  return (
    <Form form={form} doing={setting} onSubmit={send} fieldNames={{ ports: "last", range: "last" }} submit={words.submit} onCancel={onClose}>
      <ul className={layout.stack} data-gap="8">
        {words.consequences.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <div className={layout.fields}>
        <Field control={form.control} name="first" label={words.first} inputMode="numeric" optional autoFocus />
        <Field control={form.control} name="last" label={words.last} inputMode="numeric" optional />
      </div>
      <CliHint command={cli.setPorts(node.name, none({ first, last }) ? "none" : `${first || "FIRST"}-${last || "LAST"}`)} />
    </Form>
  );
}

/** By which ports of the node its customers may publish. */
export function NodePorts({ node }: { node: NodeDetail }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <ActionButton action={actionNamed(node.actions, "set_ports")} hideReason onPress={() => setAsking(true)}>
        {words.act}
      </ActionButton>
      {asking ? (
        <Dialog title={words.title(node.name)} onClose={() => setAsking(false)}>
          <PortsForm node={node} onClose={() => setAsking(false)} />
        </Dialog>
      ) : null}
    </>
  );
}
