import { zodResolver } from "@hookform/resolvers/zod";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { addSshKey, removeSshKey, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { sshKeysQuery } from "~/api/queries";
import type { SshKey } from "~/api/types";
import { t } from "~/messages";
import { ActionButton, actionNamed, Button } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import { ListPanel } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import text from "~/ui/text.module.css";

const words = t.settings.keys;

const schema = z.object({
  name: z.string().check(z.trim(), z.minLength(1, words.nameInvalid)),
  public_key: z.string().check(z.trim(), z.regex(/^(?:ssh-|ecdsa-|sk-)\S+ \S+/, words.publicKeyInvalid)),
});

function AddKey({ onDone }: { onDone: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { name: "", public_key: "" } });
  const keyFor = useIntent();
  const adding = useCommand(addSshKey);
  return (
    <Form form={form} doing={adding} onSubmit={(body) => adding.mutate({ key: keyFor(body), body }, { onSuccess: onDone })} submit={words.add} onCancel={onDone}>
      <Field control={form.control} name="name" label={words.name} autoFocus />
      <Field control={form.control} name="public_key" label={words.publicKey} help={words.publicKeyHelp} multiline mono />
    </Form>
  );
}

/** Public keys that open every active allocation of their owner. */
export function SshKeys() {
  const query = useQuery(sshKeysQuery({ cursor: useCursor() }));
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<SshKey | null>(null);
  const columns: Column<SshKey>[] = [
    { key: "name", header: words.column.name, cell: ({ name }) => <span className={text.cellMain}>{name}</span> },
    { key: "fingerprint", header: words.column.fingerprint, cell: ({ fingerprint }) => <code className={text.break}>{fingerprint}</code> },
    { key: "added", header: words.column.added, cell: ({ created_at }) => <Moment at={created_at} /> },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (key) => (
        <Button size="small" aria-label={words.removeLabel(key.name)} onPress={() => setRemoving(key)}>
          {words.remove}
        </Button>
      ),
    },
  ];
  return (
    <>
      <ListPanel
        title={words.title}
        caption={words.title}
        lead={words.lead}
        query={query}
        columns={columns}
        rowKey={({ id }) => id}
        empty={words.empty}
        action={
          <ActionButton action={actionNamed(query.data?.actions ?? [], "add")} size="small" variant="primary" onPress={() => setAdding(true)}>
            {words.add}
          </ActionButton>
        }
      />
      {adding ? (
        <Dialog title={words.add} onClose={() => setAdding(false)}>
          <AddKey onDone={() => setAdding(false)} />
        </Dialog>
      ) : null}
      {removing === null ? null : (
        <Confirm
          title={words.removeTitle(removing.name)}
          consequences={words.removeConsequences}
          confirm={words.remove}
          command={removeSshKey}
          input={removing.id}
          onClose={() => setRemoving(null)}
        />
      )}
    </>
  );
}
