import { useQuery } from "@tanstack/react-query";
import { topUpsQuery } from "~/api/queries";
import type { TopUp } from "~/api/types";
import { t } from "~/messages";
import { topUpState } from "~/states";
import { type Column, DataTable } from "~/ui/DataTable";
import { Amount, Moment } from "~/ui/figures";
import { Empty } from "~/ui/Notice";
import { Pager, useCursor } from "~/ui/Pager";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";

const words = t.billing.topUps;

const columns: Column<TopUp>[] = [
  { key: "at", header: words.column.at, cell: ({ created_at }) => <Moment at={created_at} /> },
  { key: "state", header: words.column.state, cell: ({ state }) => <Status look={topUpState(state)} /> },
  {
    key: "detail",
    header: words.column.detail,
    cell: ({ failure, state, checkout_url }) => {
      if (!topUpState(state).payable || checkout_url === null) return failure?.message ?? t.units.none;
      return (
        <span>
          <a href={checkout_url}>{words.finish}</a>
          {failure === null ? null : <span className="cell-sub">{failure.message}</span>}
        </span>
      );
    },
  },
  { key: "amount", header: words.column.amount, numeric: true, cell: ({ amount }) => <Amount money={amount} /> },
];

/** Card payments, newest first. */
export function TopUps() {
  const query = useQuery(topUpsQuery({ cursor: useCursor() }));
  return (
    <QueryView query={query} skeleton="table">
      {({ items, next_cursor }) => (
        <>
          <Freshness query={query} />
          {items.length === 0 ? (
            <Empty title={words.empty.title} detail={words.empty.detail} />
          ) : (
            <DataTable caption={words.caption} columns={columns} rows={items} rowKey={({ id }) => id} />
          )}
          <Pager next={next_cursor} />
        </>
      )}
    </QueryView>
  );
}
