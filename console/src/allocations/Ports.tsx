import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { publishPort, useCommand, withdrawPort } from "~/api/commands";
import { useIntent } from "~/api/intent";
import type { Allocation, Port } from "~/api/types";
import { t } from "~/messages";
import { portState } from "~/states";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import { type Column, DataTable } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import { Panel, PanelNote } from "~/ui/Panel";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";

const words = t.allocations.ports;

const PORT = /^([1-9]\d{0,4})(?:\/(tcp|udp))?$/;
const schema = z.object({ port: z.string().check(z.trim(), z.regex(PORT, words.portInvalid)) });

function PublishForm({ id, onDone }: { id: string; onDone: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { port: "" } });
  const keyFor = useIntent();
  const publishing = useCommand(publishPort);
  const send = (entered: string) => {
    const [, port, protocol] = PORT.exec(entered) ?? [];
    const body = { port: Number(port), protocol: protocol === "udp" ? ("udp" as const) : ("tcp" as const) };
    publishing.mutate({ key: keyFor(body), id, body }, { onSuccess: onDone });
  };
  return (
    <Form form={form} doing={publishing} onSubmit={({ port }) => send(port)} submit={words.publish} onCancel={onDone}>
      <Field control={form.control} name="port" label={words.port} help={words.portHelp} mono autoFocus />
    </Form>
  );
}

const named = ({ port, protocol }: Port) => `${port}/${protocol}`;

/** Ports of the node that lead to it, for anybody: where each is reached, and whether it is. */
export function Ports({ allocation }: { allocation: Allocation }) {
  const { id, ports, actions } = allocation;
  const [publishing, setPublishing] = useState(false);
  const [withdrawing, setWithdrawing] = useState<Port | null>(null);
  const columns: Column<Port>[] = [
    { key: "port", header: words.column.port, cell: (port) => <code>{named(port)}</code> },
    { key: "at", header: words.column.at, cell: ({ host, node_port }) => <code className={text.break}>{`${host}:${node_port}`}</code> },
    {
      key: "state",
      header: words.column.state,
      cell: ({ state, refusal }) => (
        <>
          <Status look={portState(state)} />
          {refusal === null ? null : <p className={text.help}>{refusal}</p>}
        </>
      ),
    },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (port) => (
        <ActionButton size="small" action={actionNamed(port.actions, "withdraw")} aria-label={words.withdrawLabel(named(port))} onPress={() => setWithdrawing(port)}>
          {words.withdraw}
        </ActionButton>
      ),
    },
  ];
  return (
    <Panel
      title={words.title}
      flush
      aside={
        <ActionButton size="small" action={actionNamed(actions, "publish_port")} onPress={() => setPublishing(true)}>
          {words.publish}
        </ActionButton>
      }
    >
      {ports.length === 0 ? <PanelNote>{words.none}</PanelNote> : <DataTable caption={words.title} columns={columns} rows={ports} rowKey={(port) => port.id} />}
      {publishing ? (
        <Dialog title={words.publish} onClose={() => setPublishing(false)}>
          <PublishForm id={id} onDone={() => setPublishing(false)} />
        </Dialog>
      ) : null}
      {withdrawing === null ? null : (
        <Confirm
          title={words.withdrawTitle(named(withdrawing))}
          consequences={words.withdrawConsequences}
          confirm={words.withdraw}
          command={withdrawPort}
          input={{ id, port: withdrawing.id }}
          onClose={() => setWithdrawing(null)}
        />
      )}
    </Panel>
  );
}
