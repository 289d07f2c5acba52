import { Link } from "react-router";
import type { Payout } from "~/api/types";
import { t } from "~/messages";
import { payoutState } from "~/moneyStates";
import { to } from "~/paths";
import type { Column } from "~/ui/DataTable";
import { Amount, ExactAmount, Moment } from "~/ui/figures";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";

const words = t.money.payouts;

/** A payout: where it stands, and whether it is what left. */
export const payoutColumns: Column<Payout>[] = [
  {
    key: "payout",
    header: words.column.payout,
    plain: true,
    cell: ({ id, processor_id: there, created_at: at }) => (
      <span>
        <Link to={to.operator.payout(id)}>
          <code>{id}</code>
        </Link>
        <span className={text.cellSub}>
          <code>{there}</code> · <Moment at={at} />
        </span>
      </span>
    ),
  },
  {
    key: "state",
    header: words.column.state,
    cell: ({ state, failure, arrives_on: due, ended_at: ended }) => (
      <span>
        <Status look={payoutState(state)} />
        <span className={text.cellSub}>
          {ended === null ? words.due : words.since} <Moment at={ended ?? due} />
        </span>
        {failure === null ? null : <span className={text.cellSub}>{words.failure(failure)}</span>}
      </span>
    ),
  },
  {
    key: "off",
    header: words.column.off,
    numeric: true,
    cell: ({ off_by: off }) => (off === null ? t.units.none : <ExactAmount money={off} signed />),
  },
  { key: "amount", header: words.column.amount, numeric: true, narrow: true, cell: ({ amount }) => <Amount money={amount} /> },
];
