import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { Link } from "react-router";
import * as z from "zod/mini";
import { addNode, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { useNode } from "~/api/reads";
import type { NodeCreated } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { to } from "~/paths";
import { nodeState } from "~/states";
import { Button, LinkButton } from "~/ui/Button";
import { CliHint } from "~/ui/Copy";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { Page } from "~/ui/Page";
import { Panel } from "~/ui/Panel";
import { QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { Enrolment } from "./Enrolment";
import { JoinCommand } from "./JoinCommand";
import { areLabels, parseLabels } from "./labels";
import { place } from "./place";

const words = t.operator.addNode;

const schema = z.extend(place, { labels: z.string().check(z.refine(areLabels, words.labelsInvalid)) });

type Values = z.infer<typeof schema>;

const asked = ({ port, labels, ...rest }: Values) => ({ ...rest, port: Number(port), labels: parseLabels(labels) });

function NodeForm({ onAdded }: { onAdded: (created: NodeCreated) => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { name: "", address: "", port: "22", labels: "" } });
  const keyFor = useIntent();
  const adding = useCommand(addNode, { onSuccess: onAdded });
  const add = (values: Values) => adding.mutate({ key: keyFor(asked(values)), body: asked(values) });
  const written = useWatch({ control: form.control });
  return (
    <Panel>
      <Form form={form} doing={adding} onSubmit={add} submit={words.submit}>
        <div className={layout.fields}>
          <Field control={form.control} name="name" label={words.name} autoFocus />
          <Field control={form.control} name="port" label={words.port} inputMode="numeric" />
        </div>
        <Field control={form.control} name="address" label={words.address} help={words.addressHelp} />
        <Field control={form.control} name="labels" label={words.labels} help={words.labelsHelp} optional multiline mono />
      </Form>
      <CliHint
        command={cli.addNode({
          name: written.name ?? "",
          address: written.address ?? "",
          port: written.port ?? "",
          labels: parseLabels(written.labels ?? ""),
        })}
      />
    </Panel>
  );
}

function Joining({ created, onAnother }: { created: NodeCreated; onAnother: () => void }) {
  const query = useNode(created.node.id);
  return (
    <>
      <JoinCommand join={created.join} />
      <QueryView query={query}>
        {(node) => (
          <>
            <p>
              <Status look={nodeState(node.state)} />
            </p>
            <Enrolment node={node} />
          </>
        )}
      </QueryView>
      <div className={layout.cluster}>
        <LinkButton variant="primary" to={to.operator.node(created.node.id)}>
          {words.open}
        </LinkButton>
        <Button onPress={onAnother}>{words.another}</Button>
      </div>
    </>
  );
}

export function AddNodePage() {
  const [created, setCreated] = useState<NodeCreated | null>(null);
  return (
    <Page name={words.title} title={created?.node.name ?? words.title} lead={words.lead} crumb={<Link to={to.operator.nodes()}>{t.operator.nodes.title}</Link>}>
      <div className={`${layout.narrow} ${layout.stack}`} data-gap="24">
        {created === null ? <NodeForm onAdded={setCreated} /> : <Joining created={created} onAnother={() => setCreated(null)} />}
      </div>
    </Page>
  );
}
