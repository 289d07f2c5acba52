import { zodResolver } from "@hookform/resolvers/zod";
import { useForm, useWatch } from "react-hook-form";
import * as z from "zod/mini";
import { resolveFinding, useCommand } from "~/api/commands";
import type { Finding } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { Consequences } from "~/ui/Consequences";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import { FindingWhat } from "./finding";

const words = t.money.findings;

const schema = z.object({ reason: z.string().check(z.trim(), z.minLength(3, words.reasonInvalid), z.maxLength(500, words.reasonInvalid)) });

/** Closes a finding on somebody's word. */
export function ResolveForm({ one, onClose }: { one: Finding; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { reason: "" } });
  const resolving = useCommand(resolveFinding);
  const reason = useWatch({ control: form.control, name: "reason" });
  return (
    <Form form={form} doing={resolving} onSubmit={(asked) => resolving.mutate({ id: one.id, ...asked }, { onSuccess: onClose })} submit={words.resolve} onCancel={onClose}>
      <FindingWhat finding={one} />
      <Consequences lines={words.consequences} />
      <Field control={form.control} name="reason" label={words.reason} autoFocus />
      <CliHint command={cli.resolveFinding(one.id, reason)} />
    </Form>
  );
}
