import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { topUpsQuery } from "~/api/queries";
import type { TopUp } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { topUpState } from "~/states";
import type { Column } from "~/ui/DataTable";
import { Amount, Moment } from "~/ui/figures";
import { ListView } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";

const words = t.billing.topUps;

const columns: Column<TopUp>[] = [
  { key: "at", header: words.column.at, cell: ({ created_at }) => <Moment at={created_at} /> },
  { key: "state", header: words.column.state, cell: ({ state }) => <Status look={topUpState(state)} /> },
  {
    key: "detail",
    header: words.column.detail,
    cell: ({ id, failure, state, checkout_url }) => {
      if (topUpState(state).arrived)
        return (
          <a href={to.receipt(id)} target="_blank" rel="noreferrer">
            {words.receipt}
          </a>
        );
      if (state === "needs_action") return <Link to={to.topUp(id)}>{words.confirm}</Link>;
      if (!topUpState(state).payable || checkout_url === null) return failure?.message ?? t.units.none;
      return (
        <span>
          <a href={checkout_url}>{words.finish}</a>
          {failure === null ? null : <span className={text.cellSub}>{failure.message}</span>}
        </span>
      );
    },
  },
  {
    key: "amount",
    header: words.column.amount,
    numeric: true,
    cell: ({ amount, purpose }) => (
      <span>
        <Amount money={amount} />
        {purpose === "auto_top_up" ? <span className={text.cellSub}>{words.auto}</span> : null}
      </span>
    ),
  },
];

/** Card payments, newest first. */
export function TopUps() {
  const query = useQuery(topUpsQuery({ cursor: useCursor() }));
  return <ListView query={query} caption={words.caption} columns={columns} rowKey={({ id }) => id} empty={words.empty} />;
}
