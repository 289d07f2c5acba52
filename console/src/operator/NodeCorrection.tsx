import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { useNavigate } from "react-router";
import { changeNode, removeNode, useCommand } from "~/api/commands";
import type { NodeDetail } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import { Dialog } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { place } from "./place";

const words = t.operator.node;

function CorrectionForm({ node, onClose }: { node: NodeDetail; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(place), defaultValues: { name: node.name, address: node.address, port: String(node.port) } });
  const changing = useCommand(changeNode);
  return (
    <Form
      form={form}
      doing={changing}
      onSubmit={({ port, ...rest }) => changing.mutate({ id: node.id, body: { ...rest, port: Number(port) } }, { onSuccess: onClose })}
      submit={words.correct}
      onCancel={onClose}
    >
      <div className={layout.fields}>
        <Field control={form.control} name="name" label={t.operator.addNode.name} autoFocus />
        <Field control={form.control} name="port" label={t.operator.addNode.port} inputMode="numeric" />
      </div>
      <Field control={form.control} name="address" label={t.operator.addNode.address} help={t.operator.addNode.addressHelp} />
    </Form>
  );
}

/** What was mistyped about a node is corrected; a node that is no machine's is removed. */
export function NodeCorrection({ node }: { node: NodeDetail }) {
  const [asking, setAsking] = useState<"change" | "remove">();
  const navigate = useNavigate();
  const close = () => setAsking(undefined);
  return (
    <>
      <ActionButton action={actionNamed(node.actions, "change")} hideReason onPress={() => setAsking("change")}>
        {words.correct}
      </ActionButton>
      <ActionButton action={actionNamed(node.actions, "remove")} hideReason onPress={() => setAsking("remove")}>
        {words.remove}
      </ActionButton>
      {asking === "change" ? (
        <Dialog title={words.correctTitle(node.name)} onClose={close}>
          <CorrectionForm node={node} onClose={close} />
        </Dialog>
      ) : null}
      {asking === "remove" ? (
        <Confirm
          title={words.removeTitle(node.name)}
          consequences={words.removeConsequences}
          confirm={words.remove}
          command={removeNode}
          input={node.id}
          onDone={() => navigate(to.operator.nodes())}
          onClose={close}
        />
      ) : null}
    </>
  );
}
