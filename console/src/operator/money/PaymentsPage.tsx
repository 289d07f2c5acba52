import { useState } from "react";
import { useSearchParams } from "react-router";
import { useAdminPayments, useCustomers } from "~/api/books";
import type { Payment } from "~/api/types";
import { t } from "~/messages";
import { placeOf } from "~/places";
import { ActionButton, actionNamed, Button } from "~/ui/Button";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Empty } from "~/ui/Empty";
import { Amount, ExactAmount, Moment } from "~/ui/figures";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";
import { AdjustmentForm } from "./AdjustmentForm";
import { CustomerFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";
import { RefundForm } from "./RefundForm";

const words = t.money.payments;

function columns(onRefund: (one: Payment) => void): Column<Payment>[] {
  const amount = (name: "spent" | "refunded" | "disputed"): Column<Payment> => ({
    key: name,
    header: words.column[name],
    numeric: true,
    cell: (one) => <ExactAmount money={one[name]} />,
  });
  return [
    {
      key: "payment",
      header: words.column.payment,
      plain: true,
      cell: ({ top_up_id: id, paid_at: at }) => (
        <span>
          <code className={text.cellMain}>{id}</code>
          <span className={text.cellSub}>
            <Moment at={at} />
          </span>
        </span>
      ),
    },
    { key: "paid", header: words.column.paid, numeric: true, cell: ({ paid }) => <Amount money={paid} /> },
    amount("spent"),
    amount("refunded"),
    amount("disputed"),
    { key: "refundable", header: words.column.refundable, numeric: true, cell: ({ refundable }) => <Amount money={refundable} /> },
    {
      key: "act",
      header: words.column.act,
      cell: (one) => (
        <ActionButton action={actionNamed(one.actions, "refund")} size="small" aria-label={words.refundLabel(one.top_up_id)} onPress={() => onRefund(one)}>
          {words.refund}
        </ActionButton>
      ),
    },
  ];
}

function PaymentsOf({ organization, cursor }: { organization: string; cursor: string | null }) {
  const [refunding, setRefunding] = useState<Payment>();
  return (
    <Panel flush>
      <ListView query={useAdminPayments(organization, cursor)} caption={words.table} columns={columns(setRefunding)} rowKey={({ top_up_id: id }) => id} empty={words.empty} />
      {refunding === undefined ? null : (
        <Dialog title={words.refundTitle(refunding.top_up_id)} onClose={() => setRefunding(undefined)}>
          <RefundForm payment={refunding} onClose={() => setRefunding(undefined)} />
        </Dialog>
      )}
    </Panel>
  );
}

/** What a customer paid by card, what of it can go back and why no more; and the two ways to give something back. */
export function PaymentsPage() {
  const { organization, cursor } = placeOf.payments(useSearchParams()[0]);
  const [adjusting, setAdjusting] = useState(false);
  const name = useCustomers().data?.items.find(({ id }) => id === organization)?.name ?? organization;
  return (
    <MoneyPage
      view="payments"
      filter={
        <>
          <CustomerFilter value={organization} />
          {organization === "" ? null : <Button onPress={() => setAdjusting(true)}>{words.adjust}</Button>}
        </>
      }
    >
      {organization === "" ? (
        <Panel flush>
          <Empty {...words.choose} />
        </Panel>
      ) : (
        <PaymentsOf organization={organization} cursor={cursor} />
      )}
      {adjusting ? (
        <Dialog title={words.adjustTitle(name)} onClose={() => setAdjusting(false)}>
          <AdjustmentForm organization={organization} onClose={() => setAdjusting(false)} />
        </Dialog>
      ) : null}
    </MoneyPage>
  );
}
