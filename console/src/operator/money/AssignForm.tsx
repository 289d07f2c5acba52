import { useForm, useWatch } from "react-hook-form";
import { useFindingOwners } from "~/api/books";
import { assignFinding, useCommand } from "~/api/commands";
import { useMe } from "~/api/reads";
import type { Finding } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { CliHint } from "~/ui/Copy";
import { Form } from "~/ui/form";
import { PickField } from "~/ui/PickField";
import { FindingWhat } from "./finding";

const words = t.money.findings;

/** Gives a finding to an operator who may settle it, or back to nobody. */
export function AssignForm({ one, onClose }: { one: Finding; onClose: () => void }) {
  const form = useForm({ defaultValues: { owner: one.owner?.id ?? "" } });
  const assigning = useCommand(assignFinding);
  const owners = useFindingOwners().data?.items ?? [];
  const me = useMe().data?.user.id ?? "";
  const owner = useWatch({ control: form.control, name: "owner" });
  return (
    <Form
      form={form}
      doing={assigning}
      fieldNames={{ owner_id: "owner" }}
      onSubmit={(asked) => assigning.mutate({ id: one.id, owner: asked.owner || null }, { onSuccess: onClose })}
      submit={words.assignSubmit}
      onCancel={onClose}
    >
      <FindingWhat finding={one} />
      <PickField control={form.control} name="owner" label={words.owner.label} options={[["", words.owner.nobody], ...owners.map(({ id, name }): [string, string] => [id, name])]} />
      <CliHint command={cli.assignFinding(one.id, owner, me)} />
    </Form>
  );
}
