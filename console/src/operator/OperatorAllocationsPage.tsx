import { useId } from "react";
import { useSearchParams } from "react-router";
import { useAdminAllocations } from "~/api/reads";
import type { AdminAllocation } from "~/api/types";
import { formatSpan } from "~/format/time";
import { t } from "~/messages";
import { placeOf } from "~/places";
import { ALLOCATION_STATES, allocationState } from "~/states";
import { Select } from "~/ui/controls";
import type { Column } from "~/ui/DataTable";
import { ExactAmount } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ListPage } from "~/ui/List";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";

const words = t.operator.allocations;

const columns: Column<AdminAllocation>[] = [
  {
    key: "name",
    header: words.column.name,
    plain: true,
    cell: ({ name, id, failure, operator_error: inside }) => (
      <span>
        <span className={text.cellMain}>{name}</span>
        <span className={text.cellSub}>
          <code>{id}</code>
        </span>
        {failure === null ? null : <span className={text.cellSub}>{failure.message}</span>}
        {inside === null ? null : (
          <span className={text.cellSub}>
            {words.inside(inside)} <code>{inside.request_id}</code>
          </span>
        )}
      </span>
    ),
  },
  { key: "status", header: words.column.status, narrow: true, cell: ({ state }) => <Status look={allocationState(state)} /> },
  { key: "age", header: words.column.age, numeric: true, narrow: true, cell: ({ state_seconds }) => formatSpan(state_seconds) },
  { key: "customer", header: words.column.customer, cell: ({ organization }) => organization.name },
  { key: "sku", header: words.column.sku, cell: ({ sku }) => <code>{sku.code}</code> },
  { key: "node", header: words.column.node, cell: ({ node }) => node?.name ?? <span className={text.faint}>{words.noNode}</span> },
  { key: "cost", header: words.column.cost, numeric: true, narrow: true, cell: ({ cost }) => <ExactAmount money={cost.total} /> },
];

function StateFilter({ state }: { state: string | null }) {
  const [, setSearch] = useSearchParams();
  const id = useId();
  return (
    <span className={layout.cluster}>
      <label className={text.label} htmlFor={id}>
        {words.filter}
      </label>
      <Select id={id} value={state ?? ""} onChange={({ target }) => setSearch(target.value === "" ? {} : { state: target.value })}>
        <option value="">{words.all}</option>
        {Object.entries(ALLOCATION_STATES).map(([name, { label }]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </Select>
    </span>
  );
}

export function OperatorAllocationsPage() {
  const place = placeOf.adminAllocations(useSearchParams()[0]);
  return (
    <ListPage
      title={words.title}
      query={useAdminAllocations(place)}
      filter={<StateFilter state={place.state} />}
      caption={words.table}
      columns={columns}
      rowKey={({ id }) => id}
      empty={words.empty}
    />
  );
}
