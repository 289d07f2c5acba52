import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { useFindingOwners, useFindings } from "~/api/books";
import { useMe } from "~/api/reads";
import type { Finding } from "~/api/types";
import { t } from "~/messages";
import { SEVERITIES, severityOf } from "~/moneyStates";
import { to } from "~/paths";
import { placeOf } from "~/places";
import { ActionButton, actionNamed } from "~/ui/Button";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Moment } from "~/ui/figures";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { Filter } from "~/ui/Filter";
import { FindingMoney, FindingWhat } from "./finding";
import { MoneyPage } from "./MoneyPage";
import { ResolveForm } from "./ResolveForm";

const words = t.money.findings;

function columns(onResolve: (one: Finding) => void): Column<Finding>[] {
  return [
    { key: "severity", header: words.column.severity, narrow: true, cell: ({ severity }) => <Status look={severityOf(severity)} /> },
    { key: "what", header: words.column.what, plain: true, cell: (one) => <FindingWhat finding={one} /> },
    { key: "money", header: words.column.money, cell: (one) => <FindingMoney finding={one} /> },
    {
      key: "since",
      header: words.column.since,
      cell: ({ since, seen_at: seen, until }) => (
        <span>
          <Moment at={since} />
          <span className={text.cellSub}>
            {until === null ? words.seen : words.closedAt} <Moment at={until ?? seen} />
          </span>
        </span>
      ),
    },
    { key: "owner", header: words.column.owner, cell: ({ owner }) => owner?.name ?? words.owner.nobody },
    {
      key: "open",
      header: words.open,
      narrow: true,
      cell: ({ id, code, subject }) => (
        <Link to={to.operator.finding(id)} aria-label={words.openLabel(code, subject.id)}>
          {words.open}
        </Link>
      ),
    },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (one) =>
        one.until === null ? (
          <ActionButton action={actionNamed(one.actions, "resolve")} hideReason size="small" aria-label={words.resolveLabel(one.code, one.subject.id)} onPress={() => onResolve(one)}>
            {words.resolve}
          </ActionButton>
        ) : (
          t.units.none
        ),
    },
  ];
}

/** Whether less is asked for than all that is open; that nothing is found is said of no less. */
const isNarrowed = ({ state, severity, owner_id: owner }: ReturnType<typeof placeOf.findings>) => state !== "open" || severity !== null || owner !== null;

/** What was found not to fit: what, how bad, how much money, since when; and closing it on somebody's word. */
export function FindingsPage() {
  const place = placeOf.findings(useSearchParams()[0]);
  const [resolving, setResolving] = useState<Finding>();
  const { filter } = t.money;
  const me = useMe().data?.user.id;
  const others = (useFindingOwners().data?.items ?? []).filter(({ id }) => id !== me);
  const owners: [string, string][] = [["", words.owner.anybody], ...(me === undefined ? [] : [[me, words.owner.me] as [string, string]]), ["nobody", words.owner.nobody], ...others.map(({ id, name }): [string, string] => [id, name])];
  const severities = Object.entries(SEVERITIES).map(([name, { label }]): [string, string] => [name, label]);
  return (
    <MoneyPage
      view="findings"
      filter={
        <>
          <Filter name="owner" label={words.owner.label} value={place.owner_id ?? ""} options={owners} />
          <Filter name="severity" label={filter.severity} value={place.severity ?? ""} options={[["", filter.all], ...severities]} />
          <Filter name="state" label={filter.state} value={place.state ?? "all"} options={[["open", filter.open], ["closed", filter.closed], ["all", filter.all]]} />
        </>
      }
    >
      <Panel flush>
        <ListView query={useFindings(place)} caption={words.table} columns={columns(setResolving)} rowKey={({ id }) => id} empty={isNarrowed(place) ? t.money.filter.nothing : words.empty} />
      </Panel>
      {resolving === undefined ? null : (
        <Dialog title={words.resolveTitle} onClose={() => setResolving(undefined)}>
          <ResolveForm one={resolving} onClose={() => setResolving(undefined)} />
        </Dialog>
      )}
    </MoneyPage>
  );
}
