import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { deferredRevenueQuery, monthsQuery, revenueQuery, trialBalanceQuery, unmeteredQuery } from "~/api/books";
import type { Month, Revenue, Unmetered } from "~/api/types";
import { formatSpan } from "~/format/time";
import { t } from "~/messages";
import { csv } from "~/paths";
import { placeOf } from "~/places";
import type { Column } from "~/ui/DataTable";
import { ExactAmount, Moment } from "~/ui/figures";
import { QueryView } from "~/ui/QueryView";
import { Asking } from "~/ui/Asking";
import { Customer } from "./Customer";
import { MoneyPage } from "./MoneyPage";
import { Report } from "./Report";
import { trialColumns, trialKey, unspentColumns, unspentKey } from "./trialColumns";

const words = t.money.reports;
const { filter } = t.money;

type RevenueLine = Revenue["lines"][number];
type UnmeteredLine = Unmetered["lines"][number];

const node = (id: string | null) => (id === null ? words.noNode : <code>{id}</code>);

const revenueColumns: Column<RevenueLine>[] = [
  { key: "month", header: words.revenueColumn.month, narrow: true, cell: ({ month }) => month },
  { key: "sku", header: words.revenueColumn.sku, cell: ({ sku_id: id }) => <code>{id}</code> },
  { key: "node", header: words.revenueColumn.node, cell: ({ node_id: id }) => node(id) },
  { key: "kind", header: words.revenueColumn.kind, cell: ({ meter_kind: kind }) => t.money.account(kind) },
  { key: "amount", header: words.revenueColumn.amount, numeric: true, cell: ({ amount }) => <ExactAmount money={amount} /> },
];

const unmeteredColumns: Column<UnmeteredLine>[] = [
  { key: "node", header: words.unmeteredColumn.node, cell: ({ node_id: id }) => node(id) },
  { key: "customer", header: words.unmeteredColumn.customer, cell: ({ organization_id: id }) => <Customer id={id} /> },
  { key: "time", header: words.unmeteredColumn.time, numeric: true, cell: ({ seconds }) => formatSpan(seconds) },
  { key: "forgone", header: words.unmeteredColumn.forgone, numeric: true, cell: ({ forgone }) => <ExactAmount money={forgone} /> },
  { key: "last", header: words.unmeteredColumn.last, cell: ({ last_at: at }) => <Moment at={at} /> },
];

/** Reports of the months that are asked for, or of the present one. */
function OfMonths({ present, first, last, since }: { present: Month; first: string | null; last: string | null; since: string | null }) {
  const [from, until] = [first ?? present.month, last ?? first ?? present.month];
  const start = since ?? present.starts_at;
  return (
    <>
      <Asking
        label={words.revenue}
        fields={[
          { name: "first", label: filter.firstMonth, type: "month" },
          { name: "last", label: filter.lastMonth, type: "month" },
        ]}
      />
      <Report
        title={words.revenue}
        query={useQuery(revenueQuery(from, until))}
        columns={revenueColumns}
        rowKey={(line) => [line.month, line.sku_id, line.node_id, line.meter_kind, line.amount.currency].join(" ")}
        empty={words.revenueEmpty}
        href={csv.revenue(from, until)}
      />
      <Asking label={words.unmetered} fields={[{ name: "since", label: filter.from, type: "datetime-local" }]} />
      <Report
        title={words.unmetered}
        lead={words.unmeteredLead}
        query={useQuery(unmeteredQuery(start))}
        columns={unmeteredColumns}
        rowKey={(line) => [line.node_id, line.organization_id, line.forgone.currency].join(" ")}
        empty={words.unmeteredEmpty}
        href={csv.unmetered(start)}
      />
    </>
  );
}

/** Trial balance and deferred revenue at any time, revenue between months, and time that nobody paid for. */
export function ReportsPage() {
  const { at, first, last, since } = placeOf.reports(useSearchParams()[0]);
  return (
    <MoneyPage view="reports">
      <Asking label={words.trial} fields={[{ name: "at", label: filter.at, type: "datetime-local" }]} />
      <Report title={words.trial} query={useQuery(trialBalanceQuery(at))} columns={trialColumns} rowKey={trialKey} empty={words.trialEmpty} href={csv.trialBalance(at)} />
      <Report
        title={t.money.overview.unspent}
        query={useQuery(deferredRevenueQuery(at))}
        columns={unspentColumns}
        rowKey={unspentKey}
        empty={t.money.overview.unspentNone}
        href={csv.deferredRevenue(at)}
      />
      <QueryView query={useQuery(monthsQuery())}>{({ items: [present] }) => (present === undefined ? null : <OfMonths present={present} first={first} last={last} since={since} />)}</QueryView>
    </MoneyPage>
  );
}
