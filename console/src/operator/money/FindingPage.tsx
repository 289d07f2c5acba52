import { type ReactNode, useState } from "react";
import { Link, useParams } from "react-router";
import { useFinding, useFindingOwners } from "~/api/books";
import { assignFinding, useCommand } from "~/api/commands";
import { useMe } from "~/api/reads";
import type { WholeFinding } from "~/api/types";
import { t } from "~/messages";
import { severityOf } from "~/moneyStates";
import { to } from "~/paths";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Copy } from "~/ui/Copy";
import { type Column, DataTable } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Facts } from "~/ui/Facts";
import { ExactAmount, Moment } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ErrorNotice } from "~/ui/Notice";
import { Page } from "~/ui/Page";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { AssignForm } from "./AssignForm";
import { FindingMoney, FindingWhat } from "./finding";
import { ResolveForm } from "./ResolveForm";

const words = t.money.findings;
const { facts, happenedColumn: column } = words;

type Happened = WholeFinding["history"][number];

const columns: Column<Happened>[] = [
  { key: "at", header: column.at, narrow: true, cell: ({ at }) => <Moment at={at} /> },
  { key: "what", header: column.what, plain: true, cell: ({ what }) => words.what[what] },
  { key: "note", header: column.note, cell: ({ note }) => note ?? t.units.none },
  { key: "by", header: column.by, cell: ({ by }) => by ?? words.byItself },
];

function factsOf({ subject, at_stake: stake, since, seen_at: seen, until, owner, resolution, settled_by: who, amounts }: WholeFinding): [string, ReactNode][] {
  const rows: [string, ReactNode][] = [
    [facts.subject, words.subject(subject.type, subject.id)],
    [facts.stake, stake.length === 0 ? t.units.none : stake.map((money) => <ExactAmount key={money.currency} money={money} />)],
    [facts.money, <FindingMoney key="money" finding={{ amounts }} />],
    [facts.since, <Moment key="since" at={since} />],
    until === null ? [facts.seen, <Moment key="seen" at={seen} />] : [facts.until, <Moment key="until" at={until} />],
    [facts.owner, owner?.name ?? words.owner.nobody],
  ];
  if (resolution !== null) rows.push([facts.resolution, t.units.join([resolution, who ?? ""].filter(Boolean))]);
  return rows;
}

function Repair({ repair }: { repair: NonNullable<WholeFinding["repair"]> }) {
  return (
    <Panel title={facts.repair}>
      <p>{repair.does}</p>
      {repair.command === null ? null : <Copy text={repair.command} what={t.shell.cli.what} />}
    </Panel>
  );
}

/** One finding: what does not fit, what mends it, who sees to it, and all that became of it. */
export function FindingPage() {
  const { id = "" } = useParams();
  const query = useFinding(id);
  const me = useMe().data?.user.id;
  const [asking, setAsking] = useState<"assign" | "resolve" | null>(null);
  const taking = useCommand(assignFinding);
  // Only who may settle it can have it.
  const mine = useFindingOwners().data?.items.some((one) => one.id === me) ?? false;
  const one = query.data;
  const done = () => setAsking(null);
  return (
    <Page
      name={one?.code ?? id}
      title={one?.code ?? id}
      crumb={<Link to={to.operator.money("findings")}>{words.back}</Link>}
      actions={
        <>
          <Freshness query={query} />
          {one === undefined || one.until !== null ? null : (
            <>
              {mine && me !== undefined && one.owner?.id !== me ? (
                <ActionButton action={actionNamed(one.actions, "assign")} isPending={taking.isPending} onPress={() => taking.mutate({ id, owner: me })}>
                  {words.takeIt}
                </ActionButton>
              ) : null}
              <ActionButton action={actionNamed(one.actions, "assign")} hideReason onPress={() => setAsking("assign")}>
                {words.assign}
              </ActionButton>
              <ActionButton action={actionNamed(one.actions, "resolve")} variant="primary" onPress={() => setAsking("resolve")}>
                {words.resolve}
              </ActionButton>
            </>
          )}
        </>
      }
    >
      {taking.isError ? <ErrorNotice error={taking.error} /> : null}
      <QueryView query={query}>
        {(known) => (
          <>
            <Panel title={words.about}>
              <div className={layout.stack} data-gap="8">
                <Status look={severityOf(known.severity)} />
                <FindingWhat finding={known} />
                <Facts rows={factsOf(known)} />
              </div>
            </Panel>
            {known.repair === null ? null : <Repair repair={known.repair} />}
            <Panel title={words.happened} flush>
              <DataTable caption={words.happened} columns={columns} rows={known.history} rowKey={({ at, what }) => `${at} ${what}`} />
            </Panel>
          </>
        )}
      </QueryView>
      {asking === null || one === undefined ? null : (
        <Dialog title={asking === "assign" ? words.assignTitle : words.resolveTitle} onClose={done}>
          {asking === "assign" ? <AssignForm one={one} onClose={done} /> : <ResolveForm one={one} onClose={done} />}
        </Dialog>
      )}
    </Page>
  );
}
