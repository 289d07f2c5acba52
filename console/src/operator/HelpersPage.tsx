import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Actor } from "~/allocations/Actor";
import { startRollout, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { useHelperDrift, useHelperVersions, useRollouts } from "~/api/reads";
import type { DriftedNode, HelperCount, HelperVersions, Rollout } from "~/api/types";
import { cli } from "~/cli";
import { t } from "~/messages";
import { to } from "~/paths";
import { placeOf, ROLLOUTS_CURSOR } from "~/places";
import { nodeState, rolloutPhase } from "~/states";
import { ActionButton, actionNamed, Button } from "~/ui/Button";
import { Consequences } from "~/ui/Consequences";
import { CliHint } from "~/ui/Copy";
import { type Column, DataTable } from "~/ui/DataTable";
import { Dialog, DialogActions } from "~/ui/Dialog";
import { Facts } from "~/ui/Facts";
import { Moment } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ListPanel } from "~/ui/List";
import { ErrorNotice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Panel, PanelNote } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";
import { HelperName } from "./HelperName";
import { Prose } from "./Prose";
import { RolloutNotice } from "./RolloutNotice";

const words = t.helpers;

const countColumns: Column<HelperCount>[] = [
  { key: "helper", header: words.counts.column.helper, plain: true, cell: ({ helper }) => <HelperName helper={helper} /> },
  {
    key: "standing",
    header: words.counts.column.standing,
    cell: ({ standing }) => <Tag tone={standing === "too_old" || standing === "must_enrol" ? "warn" : undefined}>{words.standing[standing]}</Tag>,
  },
  { key: "nodes", header: words.counts.column.nodes, numeric: true, cell: ({ nodes }) => String(nodes) },
];

function Release({ versions: { ours, minimum_version: minimum } }: { versions: HelperVersions }) {
  return (
    <Panel title={words.ours}>
      <Facts
        rows={[
          [words.version, <HelperName key="ours" helper={ours} />],
          [words.minimum, words.minimumMeans(minimum)],
        ]}
      />
    </Panel>
  );
}

function Counts({ versions: { counts } }: { versions: HelperVersions }) {
  return (
    <Panel title={words.counts.title} flush>
      {counts.length === 0 ? (
        <PanelNote>{words.counts.empty}</PanelNote>
      ) : (
        <DataTable caption={words.counts.title} columns={countColumns} rows={counts} rowKey={({ helper }) => `${helper.version} ${helper.sha256}`} />
      )}
    </Panel>
  );
}

function Start({ node, versions: { ours }, onClose }: { node: DriftedNode; versions: HelperVersions; onClose: () => void }) {
  const keyFor = useIntent();
  const starting = useCommand(startRollout);
  const version = ours.version ?? words.none;
  return (
    <Dialog title={words.start.title(version, node.name)} role="alertdialog" onClose={onClose}>
      <Consequences lines={words.start.consequences(node.name, version)} />
      <CliHint command={cli.startRollout(node.name)} />
      {starting.isError ? <ErrorNotice error={starting.error} /> : null}
      <DialogActions>
        <Button onPress={onClose} autoFocus>
          {t.shell.dialog.cancel}
        </Button>
        <Button
          variant="primary"
          isPending={starting.isPending}
          onPress={() => starting.mutate({ key: keyFor({ canary: node.id }), canary: node.id }, { onSuccess: onClose })}
        >
          {words.start.submit}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

function Drift({ versions, cursor, underWay }: { versions: HelperVersions | undefined; cursor: string | null; underWay: boolean }) {
  const [trying, setTrying] = useState<DriftedNode>();
  const columns: Column<DriftedNode>[] = [
    {
      key: "name",
      header: words.drift.column.name,
      plain: true,
      narrow: true,
      cell: ({ id, name }) => (
        <Link className={text.cellMain} to={to.operator.node(id)}>
          {name}
        </Link>
      ),
    },
    { key: "state", header: words.drift.column.state, narrow: true, cell: ({ state }) => <Status look={nodeState(state)} /> },
    { key: "helper", header: words.drift.column.helper, cell: ({ helper }) => <HelperName helper={helper} /> },
    { key: "advice", header: words.drift.column.advice, cell: ({ advice }) => <Prose>{advice ?? words.drift.nothing}</Prose> },
    {
      key: "act",
      header: words.drift.column.act,
      narrow: true,
      cell: (node) => (
        <ActionButton action={actionNamed(node.actions, "upgrade_first")} hideReason size="small" aria-label={words.drift.firstLabel(node.name)} onPress={() => setTrying(node)}>
          {words.drift.first}
        </ActionButton>
      ),
    },
  ];
  return (
    <>
      <ListPanel
        title={words.drift.title}
        query={useHelperDrift(cursor, underWay)}
        caption={words.drift.title}
        columns={columns}
        rowKey={({ id }) => id}
        empty={words.drift.empty}
      />
      {trying === undefined || versions === undefined ? null : <Start node={trying} versions={versions} onClose={() => setTrying(undefined)} />}
    </>
  );
}

const rolloutColumns: Column<Rollout>[] = [
  {
    key: "helper",
    header: words.rollouts.column.helper,
    plain: true,
    cell: ({ id, helper }) => (
      <Link className={text.cellMain} to={to.operator.rollout(id)} aria-label={words.rollouts.open(helper.version ?? words.none)}>
        <HelperName helper={helper} />
      </Link>
    ),
  },
  { key: "phase", header: words.rollouts.column.phase, narrow: true, cell: ({ phase }) => <Status look={rolloutPhase(phase)} /> },
  { key: "nodes", header: words.rollouts.column.nodes, cell: (rollout) => words.counted({ ...rollout, failed: rollout.failed.length }) },
  { key: "began", header: words.rollouts.column.began, cell: ({ started_at: at }) => <Moment at={at} /> },
  { key: "by", header: words.rollouts.column.by, cell: ({ started_by: by }) => <Actor id={by} /> },
];

/** Which helpers the nodes have, and bringing this release's to them: to one first, then to the others. */
export function HelpersPage() {
  const { drift, rollouts } = placeOf.helpers(useSearchParams()[0]);
  const query = useHelperVersions();
  const going = query.data?.rollout ?? null;
  const underWay = going !== null && rolloutPhase(going.phase).underWay === true;
  return (
    <Page name={words.title} title={words.title} lead={words.lead} actions={<Freshness query={query} />}>
      <div className={layout.stack} data-gap="24">
        <QueryView query={query}>
          {(versions) => (
            <>
              {versions.rollout !== null && underWay ? <RolloutNotice rollout={versions.rollout} isLink /> : null}
              <Release versions={versions} />
              <Counts versions={versions} />
            </>
          )}
        </QueryView>
        <Drift versions={query.data} cursor={drift} underWay={underWay} />
        <ListPanel
          title={words.rollouts.title}
          query={useRollouts(rollouts, underWay)}
          caption={words.rollouts.title}
          columns={rolloutColumns}
          rowKey={({ id }) => id}
          empty={words.rollouts.empty}
          cursor={ROLLOUTS_CURSOR}
        />
      </div>
    </Page>
  );
}
