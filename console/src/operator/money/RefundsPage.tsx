import { useSearchParams } from "react-router";
import { useAdminRefunds } from "~/api/books";
import type { Refund } from "~/api/types";
import { formatMoney, isNothing } from "~/format/money";
import { t } from "~/messages";
import { REFUND_STATES, refundState } from "~/moneyStates";
import { placeOf } from "~/places";
import type { Column } from "~/ui/DataTable";
import { Amount, Moment } from "~/ui/figures";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { Customer } from "./Customer";
import { StateFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";

const words = t.money.refunds;

const columns: Column<Refund>[] = [
  {
    key: "refund",
    header: words.column.refund,
    plain: true,
    cell: ({ id, top_up_id: payment, created_at: at }) => (
      <span>
        <code className={text.cellMain}>{id}</code>
        <span className={text.cellSub}>
          <code>{payment}</code> · <Moment at={at} />
        </span>
      </span>
    ),
  },
  { key: "customer", header: words.column.customer, cell: ({ organization_id: id }) => <Customer id={id} /> },
  { key: "state", header: words.column.state, narrow: true, cell: ({ state }) => <Status look={refundState(state)} /> },
  { key: "by", header: words.column.by, cell: ({ origin, requested_by: who }) => (origin === "processor" ? words.atProcessor : who) },
  {
    key: "detail",
    header: words.column.detail,
    cell: ({ reason, failure, owed }) => (
      <span className={text.break}>
        {reason}
        {failure === null ? null : <span className={text.cellSub}>{words.failure(failure)}</span>}
        {isNothing(owed) ? null : <span className={text.cellSub}>{words.owed(formatMoney(owed))}</span>}
      </span>
    ),
  },
  { key: "amount", header: words.column.amount, numeric: true, narrow: true, cell: ({ amount }) => <Amount money={amount} /> },
];

/** All that went back to cards, asked for here or made in the processor's own pages. */
export function RefundsPage() {
  const place = placeOf.refunds(useSearchParams()[0]);
  return (
    <MoneyPage view="refunds" filter={<StateFilter states={REFUND_STATES} value={place.state} />}>
      <Panel flush>
        <ListView query={useAdminRefunds(place)} caption={words.table} columns={columns} rowKey={({ id }) => id} empty={place.state !== null ? t.money.filter.nothing : words.empty} />
      </Panel>
    </MoneyPage>
  );
}
