import type { Payment, Refund, RefundRequest } from "~/api/types";
import { formatMoney, isNothing } from "~/format/money";
import { t } from "~/messages";
import { refundState, requestState } from "~/moneyStates";
import { to } from "~/paths";
import type { Column } from "~/ui/DataTable";
import { Amount, ExactAmount, Moment } from "~/ui/figures";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";

const { payments, requests, sent } = t.refunds;

/** A payment, and what of it can go back. */
export const paymentColumns: Column<Payment>[] = [
  {
    key: "payment",
    header: payments.column.payment,
    plain: true,
    cell: ({ top_up_id: id, paid_at: at }) => (
      <span>
        <a href={to.receipt(id)} target="_blank" rel="noreferrer">
          {t.billing.topUps.receipt} <code>{id}</code>
        </a>
        <span className={text.cellSub}>
          <Moment at={at} />
        </span>
      </span>
    ),
  },
  { key: "paid", header: payments.column.paid, numeric: true, cell: ({ paid }) => <Amount money={paid} /> },
  { key: "spent", header: payments.column.spent, numeric: true, cell: ({ spent }) => <ExactAmount money={spent} /> },
  { key: "refunded", header: payments.column.refunded, numeric: true, cell: ({ refunded }) => <Amount money={refunded} /> },
  { key: "refundable", header: payments.column.refundable, numeric: true, cell: ({ refundable }) => <Amount money={refundable} /> },
];

/** What was asked for, and the answer. */
export const requestColumns: Column<RefundRequest>[] = [
  { key: "at", header: requests.column.at, cell: ({ created_at: at }) => <Moment at={at} /> },
  { key: "state", header: requests.column.state, narrow: true, cell: ({ state }) => <Status look={requestState(state)} /> },
  {
    key: "reason",
    header: requests.column.reason,
    cell: ({ reason, decision }) => (
      <span className={text.break}>
        {reason}
        {decision === null ? null : <span className={text.cellSub}>{requests.answer(decision)}</span>}
      </span>
    ),
  },
  { key: "amount", header: requests.column.amount, numeric: true, cell: ({ amount }) => <Amount money={amount} /> },
];

/** What went back, and how it fared at the bank. */
export const sentColumns: Column<Refund>[] = [
  { key: "at", header: sent.column.at, cell: ({ created_at: at }) => <Moment at={at} /> },
  { key: "payment", header: sent.column.payment, cell: ({ top_up_id: id }) => <code>{id}</code> },
  { key: "state", header: sent.column.state, narrow: true, cell: ({ state }) => <Status look={refundState(state)} /> },
  {
    key: "detail",
    header: sent.column.detail,
    cell: ({ state, owed }) => (
      <span>
        {sent.detail[state]}
        {isNothing(owed) ? null : <span className={text.cellSub}>{sent.owed(formatMoney(owed))}</span>}
      </span>
    ),
  },
  { key: "amount", header: sent.column.amount, numeric: true, cell: ({ amount }) => <Amount money={amount} /> },
];
