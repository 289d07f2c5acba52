import type { RefundRequest } from "~/api/types";
import { t } from "~/messages";
import { requestState } from "~/moneyStates";
import type { Column } from "~/ui/DataTable";
import { Amount, Moment } from "~/ui/figures";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { Customer } from "./Customer";

const words = t.money.requests;

/** What a refund request says: how much, whose, why, and what became of it. */
export const requestColumns: Column<RefundRequest>[] = [
  {
    key: "amount",
    header: words.column.amount,
    plain: true,
    cell: ({ amount, created_at: at, id }) => (
      <span>
        <span className={text.cellMain}>
          <Amount money={amount} />
        </span>
        <span className={text.cellSub}>
          <code>{id}</code> · <Moment at={at} />
        </span>
      </span>
    ),
  },
  { key: "customer", header: words.column.customer, cell: ({ organization_id: id }) => <Customer id={id} /> },
  {
    key: "reason",
    header: words.column.reason,
    cell: ({ reason, decision }) => (
      <span className={text.break}>
        {reason}
        {decision === null ? null : <span className={text.cellSub}>{words.answer(decision)}</span>}
      </span>
    ),
  },
  { key: "state", header: words.column.state, narrow: true, cell: ({ state }) => <Status look={requestState(state)} /> },
];
