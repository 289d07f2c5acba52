import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { Controller, useForm } from "react-hook-form";
import * as z from "zod/mini";
import { createApiToken, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { t } from "~/messages";
import { Button } from "~/ui/Button";
import { Choices } from "~/ui/Choices";
import { Copy } from "~/ui/Copy";
import { DialogActions } from "~/ui/Dialog";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { Notice } from "~/ui/Notice";
import { Scopes } from "./Scopes";

const words = t.settings.tokens;
const DAYS = ["30", "90", "365"];
const DAY_MS = 24 * 3600 * 1000;

const schema = z.object({
  name: z.string().check(z.trim(), z.minLength(1, words.nameInvalid)),
  scopes: z.array(z.string()).check(z.minLength(1, words.scopesInvalid)),
  days: z.string(),
});

type Values = z.infer<typeof schema>;

/** Creates a token and shows it, this once. It is kept nowhere in the console. */
export function CreateToken({ onDone }: { onDone: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { name: "", scopes: [] as string[], days: "90" } });
  const keyFor = useIntent();
  // Counted from when the form was opened, so that trying again asks for the very same token.
  const [openedAt] = useState(() => Date.now());
  const creating = useCommand(createApiToken, { gcTime: 0 });
  const create = ({ name, scopes, days }: Values) => {
    const body = { name, scopes, expires_at: new Date(openedAt + Number(days) * DAY_MS).toISOString() };
    creating.mutate({ key: keyFor(body), body });
  };
  if (creating.data !== undefined) {
    return (
      <div className={layout.stack}>
        <Notice tone="warn" title={words.shownOnce.title} role="status">
          <p>{words.shownOnce.detail}</p>
        </Notice>
        <Copy text={creating.data.token} what={words.token} />
        <DialogActions>
          <Button variant="primary" onPress={onDone}>
            {words.done}
          </Button>
        </DialogActions>
      </div>
    );
  }
  return (
    <Form form={form} doing={creating} onSubmit={create} submit={words.create} onCancel={onDone}>
      <Field control={form.control} name="name" label={words.name} autoFocus />
      <Controller
        control={form.control}
        name="scopes"
        render={({ field, fieldState }) => <Scopes value={field.value} onChange={field.onChange} invalid={fieldState.error?.message} />}
      />
      <Choices legend={words.expires} choices={DAYS.map((days) => ({ value: days, label: words.days(Number(days)) }))} register={form.register("days")} />
    </Form>
  );
}
