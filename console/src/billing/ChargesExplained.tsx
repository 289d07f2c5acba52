import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { chargeColumns } from "~/allocations/chargeColumns";
import { usageQuery } from "~/api/queries";
import type { UsageCharge } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { type Column, DataTable } from "~/ui/DataTable";
import { Empty } from "~/ui/Notice";
import { Pager, useCursor } from "~/ui/Pager";
import { Freshness, QueryView } from "~/ui/QueryView";

const words = t.billing.charges;

const columns: Column<UsageCharge>[] = [
  {
    key: "subject",
    header: words.column.subject,
    cell: ({ subject_id, subject_name }) => <Link to={to.allocation(subject_id)}>{subject_name}</Link>,
  },
  ...chargeColumns<UsageCharge>(),
];

/** Every charge of the organization: rate × seconds = amount. */
export function ChargesExplained() {
  const query = useQuery(usageQuery({ cursor: useCursor() }));
  return (
    <QueryView query={query} skeleton="table">
      {({ items, next_cursor }) => (
        <>
          <Freshness query={query} />
          {items.length === 0 ? (
            <Empty title={words.empty.title} detail={words.empty.detail} />
          ) : (
            <>
              <p className="panel-note">{t.allocations.charges.hint}</p>
              <DataTable caption={words.caption} columns={columns} rows={items} rowKey={({ id }) => id} />
            </>
          )}
          <Pager next={next_cursor} />
        </>
      )}
    </QueryView>
  );
}
