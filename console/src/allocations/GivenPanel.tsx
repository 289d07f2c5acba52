import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { Link } from "react-router";
import * as z from "zod/mini";
import { changeLabels, useCommand } from "~/api/commands";
import type { Allocation } from "~/api/types";
import { linesOf, pairsIn } from "~/launch/given";
import { t } from "~/messages";
import { to } from "~/paths";
import { Button } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import { Facts } from "~/ui/Facts";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { Panel } from "~/ui/Panel";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";

const words = t.allocations.given;
const labelWords = t.allocations.labels;

const schema = z.object({ labels: z.string().check(z.refine((value) => pairsIn(value) !== null, labelWords.invalid)) });

/** What becomes of labels when the lines are these: set, or taken away. */
function changes(before: Record<string, string>, after: Record<string, string>): Record<string, string | null> {
  return { ...Object.fromEntries(Object.keys(before).map((key) => [key, null])), ...after };
}

function EditLabels({ allocation, onClose }: { allocation: Allocation; onClose: () => void }) {
  const { mutate, ...doing } = useCommand(changeLabels, { onSuccess: onClose });
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { labels: linesOf(allocation.labels) } });
  const save = ({ labels }: { labels: string }) => {
    const changed = changes(allocation.labels, pairsIn(labels) ?? {});
    if (Object.keys(changed).length === 0) onClose();
    else mutate({ id: allocation.id, labels: changed });
  };
  return (
    <Dialog title={labelWords.edit} onClose={onClose}>
      <Form form={form} doing={doing} onSubmit={save} submit={labelWords.save} onCancel={onClose}>
        <Field control={form.control} name="labels" label={labelWords.field} help={labelWords.help} multiline mono optional autoFocus />
      </Form>
    </Dialog>
  );
}

/** Labels, which can be changed, and the names of the variables, which cannot. */
export function GivenPanel({ allocation }: { allocation: Allocation }) {
  const [editing, setEditing] = useState(false);
  const { environment } = allocation;
  const labels = Object.entries(allocation.labels).map(([key, value]) => `${key}=${value}`);
  const shownLabels =
    labels.length === 0 ? (
      <span className={text.muted}>{labelWords.none}</span>
    ) : (
      <span className={layout.cluster}>
        {labels.map((label) => (
          <Link key={label} to={to.labelled(label)}>
            <Tag>{label}</Tag>
          </Link>
        ))}
      </span>
    );
  const variables = (
    <>
      <code>{environment.join(", ")}</code>
      <span className={text.cellSub}>{words.valuesHidden}</span>
    </>
  );
  return (
    <Panel
      title={words.title}
      aside={
        <Button size="small" onPress={() => setEditing(true)}>
          {labelWords.edit}
        </Button>
      }
    >
      <Facts align="start" rows={[[labelWords.title, shownLabels], ...(environment.length === 0 ? [] : [[words.variables, variables] as [string, typeof variables]])]} />
      {editing ? <EditLabels allocation={allocation} onClose={() => setEditing(false)} /> : null}
    </Panel>
  );
}
