import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm, useWatch } from "react-hook-form";
import { Link, useParams } from "react-router";
import * as z from "zod/mini";
import { Actor } from "~/allocations/Actor";
import { stopRollout, useCommand } from "~/api/commands";
import { useRollout, useUpgrades } from "~/api/reads";
import type { Rollout, Upgrade } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { to } from "~/paths";
import { rolloutPhase, upgradeOutcome } from "~/states";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Consequences } from "~/ui/Consequences";
import { CliHint } from "~/ui/Copy";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Moment } from "~/ui/figures";
import { Field, Form } from "~/ui/form";
import layout from "~/ui/layout.module.css";
import { ListPanel } from "~/ui/List";
import { Page } from "~/ui/Page";
import { useCursor } from "~/ui/Pager";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";
import { HelperName } from "./HelperName";
import { RolloutNotice } from "./RolloutNotice";

const words = t.helpers;

const schema = z.object({ reason: z.string().check(z.trim(), z.minLength(1, words.stop.reasonInvalid), z.maxLength(500, words.stop.reasonInvalid)) });

function StopForm({ rollout, onClose }: { rollout: Rollout; onClose: () => void }) {
  const form = useForm({ resolver: zodResolver(schema), defaultValues: { reason: "" } });
  const stopping = useCommand(stopRollout);
  const reason = useWatch({ control: form.control, name: "reason" });
  return (
    <Form form={form} doing={stopping} onSubmit={(asked) => stopping.mutate({ id: rollout.id, ...asked }, { onSuccess: onClose })} submit={words.stop.act} onCancel={onClose}>
      <Consequences lines={words.stop.consequences} />
      <Field control={form.control} name="reason" label={words.stop.reason} help={words.stop.reasonHelp} autoFocus />
      <CliHint command={cli.stopRollout(reason)} />
    </Form>
  );
}

const columns: Column<Upgrade>[] = [
  {
    key: "name",
    header: words.nodes.column.name,
    plain: true,
    cell: ({ node_id: id, node_name: name, canary }) => (
      <span className={layout.cluster}>
        <Link className={text.cellMain} to={to.operator.node(id)}>
          {name}
        </Link>
        {canary ? <Tag>{words.nodes.canary}</Tag> : null}
      </span>
    ),
  },
  { key: "outcome", header: words.nodes.column.outcome, narrow: true, cell: ({ outcome }) => <Status look={upgradeOutcome(outcome)} /> },
  { key: "from", header: words.nodes.column.from, cell: ({ from_version: from }) => from },
  { key: "at", header: words.nodes.column.at, cell: ({ ended_at: at }) => (at === null ? t.units.none : <Moment at={at} />) },
  { key: "detail", header: words.nodes.column.detail, cell: ({ detail }) => <span className={text.break}>{detail ?? t.units.none}</span> },
];

/** One rollout: how it stands, what comes next, what became of each node, and the way to stop it. */
export function RolloutPage() {
  const { id = "" } = useParams();
  const query = useRollout(id);
  const rollout = query.data;
  const [stopping, setStopping] = useState(false);
  const upgrades = useUpgrades(id, useCursor(), rollout !== undefined && rolloutPhase(rollout.phase).underWay === true);
  const name = words.page(rollout?.helper.version ?? id);
  return (
    <Page
      name={name}
      crumb={<Link to={to.operator.helpers()}>{words.back}</Link>}
      title={
        <>
          {name} {rollout === undefined ? null : <Status look={rolloutPhase(rollout.phase)} />}
        </>
      }
      lead={
        rollout === undefined ? undefined : (
          <>
            <HelperName helper={rollout.helper} /> · <Moment at={rollout.started_at} /> · <Actor id={rollout.started_by} />
          </>
        )
      }
      actions={
        <>
          <Freshness query={query} />
          {rollout === undefined ? null : (
            <ActionButton action={actionNamed(rollout.actions, "stop")} variant="danger" hideReason onPress={() => setStopping(true)}>
              {words.stop.act}
            </ActionButton>
          )}
        </>
      }
    >
      <QueryView query={query}>
        {(found) => (
          <div className={layout.stack} data-gap="24">
            <RolloutNotice rollout={found} />
            <ListPanel title={words.nodes.title} query={upgrades} caption={words.nodes.title} columns={columns} rowKey={({ node_id }) => node_id} empty={words.nodes.empty} />
          </div>
        )}
      </QueryView>
      {stopping && rollout !== undefined ? (
        <Dialog title={words.stop.title} onClose={() => setStopping(false)}>
          <StopForm rollout={rollout} onClose={() => setStopping(false)} />
        </Dialog>
      ) : null}
    </Page>
  );
}
