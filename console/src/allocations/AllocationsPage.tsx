import { type FormEvent, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { useAllocations } from "~/api/reads";
import type { AllocationSummary } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { ENDED, LABEL, placeOf } from "~/places";
import { allocationState } from "~/states";
import { Button, LinkButton } from "~/ui/Button";
import { Check } from "~/ui/controls";
import { Copy } from "~/ui/Copy";
import type { Column } from "~/ui/DataTable";
import { ExactAmount, RateFigure } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ListPage } from "~/ui/List";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { AllocationTime } from "./AllocationTime";
import css from "./AllocationsPage.module.css";

const words = t.allocations;

/** What an hour costs now; before and after that, the price that it was launched at. */
function Rate({ allocation: { state, cost, price } }: { allocation: AllocationSummary }) {
  return allocationState(state).runsUp ? (
    <RateFigure rate={cost.rate} />
  ) : (
    <span className={text.muted}>
      <RateFigure rate={price.per_hour} />
    </span>
  );
}

const labelled = (labels: Record<string, string>) => Object.entries(labels).map(([key, value]) => `${key}=${value}`);

const columns: Column<AllocationSummary>[] = [
  {
    key: "name",
    header: words.column.name,
    plain: true,
    cell: ({ id, name, sku, node, labels }) => (
      <span>
        <Link className={text.cellMain} to={to.allocation(id)}>
          {name}
        </Link>
        <span className={text.cellSub}>{t.units.join([sku.name, ...(node?.limits_enforced === false ? [words.notEnforced] : []), ...labelled(labels)])}</span>
      </span>
    ),
  },
  { key: "status", header: words.column.status, narrow: true, cell: ({ state }) => <Status look={allocationState(state)} /> },
  { key: "time", header: words.column.time, cell: (allocation) => <AllocationTime allocation={allocation} /> },
  { key: "rate", header: words.column.rate, numeric: true, narrow: true, cell: (allocation) => <Rate allocation={allocation} /> },
  { key: "cost", header: words.column.cost, numeric: true, narrow: true, cell: ({ cost }) => <ExactAmount money={cost.total} /> },
  {
    key: "ssh",
    header: words.column.ssh,
    cell: ({ ssh }) => (ssh === null ? <span className={text.faint}>{words.noSsh}</span> : <Copy bare text={ssh.command} what={words.sshCommand} />),
  },
];

type Narrowing = { includeEnded: boolean; labels: string[] };

/** Labels that those in the list have, each with the way to do without, and one more to ask for. */
function Filters({ includeEnded, labels }: Narrowing) {
  const [, setSearch] = useSearchParams();
  const [typed, setTyped] = useState("");
  const narrow = (next: Narrowing) => {
    const ended: [string, string][] = next.includeEnded ? [[ENDED, "1"]] : [];
    setSearch([...ended, ...next.labels.map((label): [string, string] => [LABEL, label])]);
  };
  const add = (event: FormEvent) => {
    event.preventDefault();
    const label = typed.trim();
    if (label !== "" && !labels.includes(label)) narrow({ includeEnded, labels: [...labels, label] });
    setTyped("");
  };
  return (
    <>
      {labels.map((label) => (
        <Button key={label} size="small" aria-label={words.labels.remove(label)} onPress={() => narrow({ includeEnded, labels: labels.filter((one) => one !== label) })}>
          {label} ×
        </Button>
      ))}
      <form className={layout.cluster} onSubmit={add}>
        <input className={css.label} aria-label={words.labels.filter} placeholder={words.labels.filterHelp} value={typed} onChange={({ target }) => setTyped(target.value)} />
        <Button size="small" type="submit">
          {words.labels.filterShow}
        </Button>
      </form>
      <Check checked={includeEnded} onChange={({ target }) => narrow({ includeEnded: target.checked, labels })}>
        {words.includeEnded}
      </Check>
    </>
  );
}

export function AllocationsPage() {
  const place = placeOf.allocations(useSearchParams()[0]);
  const way = (
    <LinkButton variant="primary" to={to.launch()}>
      {words.empty.launch}
    </LinkButton>
  );
  return (
    <ListPage
      title={words.title}
      query={useAllocations(place)}
      filter={<Filters {...place} />}
      action={
        <LinkButton variant="primary" to={to.launch()}>
          {words.launch}
        </LinkButton>
      }
      caption={words.table}
      columns={columns}
      rowKey={({ id }) => id}
      empty={{ ...(place.includeEnded ? words.empty.never : words.empty), way }}
    />
  );
}
