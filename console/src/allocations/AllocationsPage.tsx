import { Link, useSearchParams } from "react-router";
import { useAllocations } from "~/api/reads";
import type { AllocationSummary } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { ENDED, placeOf } from "~/places";
import { allocationState } from "~/states";
import { LinkButton } from "~/ui/Button";
import { Check } from "~/ui/controls";
import { Copy } from "~/ui/Copy";
import type { Column } from "~/ui/DataTable";
import { ExactAmount, RateFigure } from "~/ui/figures";
import { ListPage } from "~/ui/List";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { AllocationTime } from "./AllocationTime";

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

const columns: Column<AllocationSummary>[] = [
  {
    key: "name",
    header: words.column.name,
    plain: true,
    cell: ({ id, name, sku, node }) => (
      <span>
        <Link className={text.cellMain} to={to.allocation(id)}>
          {name}
        </Link>
        <span className={text.cellSub}>{t.units.join([sku.name, ...(node?.limits_enforced === false ? [words.notEnforced] : [])])}</span>
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

function EndedFilter({ shown }: { shown: boolean }) {
  const [, setSearch] = useSearchParams();
  return (
    <Check checked={shown} onChange={({ target }) => setSearch(target.checked ? { [ENDED]: "1" } : {})}>
      {words.includeEnded}
    </Check>
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
      filter={<EndedFilter shown={place.includeEnded} />}
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
