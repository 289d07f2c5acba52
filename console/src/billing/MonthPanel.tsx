import { useState } from "react";
import { useSearchParams } from "react-router";
import { useUsageByDay } from "~/api/reads";
import type { MonthUsage } from "~/api/types";
import { formatMoney, partsOfLargest } from "~/format/money";
import { formatDay } from "~/format/time";
import { t } from "~/messages";
import { placeOf } from "~/places";
import { Asking } from "~/ui/Asking";
import { BarChart } from "~/ui/BarChart";
import { type Column, DataTable } from "~/ui/DataTable";
import { Disclosure } from "~/ui/Disclosure";
import { Figure, Figures } from "~/ui/Figure";
import { Amount, ExactAmount, RateFigure } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import text from "~/ui/text.module.css";

const words = t.billing.month;

type Day = MonthUsage["days"][number];

const columns: Column<Day>[] = [
  { key: "day", header: words.column.day, plain: true, cell: ({ day }) => day },
  {
    key: "kinds",
    header: words.column.kinds,
    cell: ({ kinds }) =>
      kinds.length === 0
        ? t.units.none
        : kinds.map(({ meter_kind: kind, amount }) => (
            <span key={kind} className={text.cellSub}>
              {words.kind(kind)} <ExactAmount money={amount} />
            </span>
          )),
  },
  { key: "amount", header: words.column.amount, numeric: true, cell: ({ amount }) => <ExactAmount money={amount} /> },
];

function Chart({ of: { month, days } }: { of: MonthUsage }) {
  const parts = partsOfLargest(days.map(({ amount }) => amount));
  const bars = days.map(({ day, amount }, place) => ({ key: day, label: String(Number(day.slice(-2))), title: words.bar(day, formatMoney(amount)), part: parts[place] ?? 0 }));
  return <BarChart name={words.chart(month)} bars={bars} />;
}

function Totals({ of: { charged, forecast, ends_at: ends } }: { of: MonthUsage }) {
  return (
    <Figures>
      <Figure name={words.charged} large>
        <Amount money={charged} />
      </Figure>
      {forecast === null ? null : (
        <>
          <Figure name={words.accrued}>
            <Amount money={forecast.accrued} />
          </Figure>
          <Figure name={words.perHour}>
            <RateFigure rate={forecast.per_hour} />
          </Figure>
          <Figure name={words.forecast(formatDay(ends))}>
            <Amount money={forecast.amount} />
          </Figure>
        </>
      )}
    </Figures>
  );
}

/** What a month cost, day by day, and what it comes to if what runs goes on. */
export function MonthPanel() {
  const { month } = placeOf.billing(useSearchParams()[0]);
  const query = useUsageByDay(month);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Asking label={words.ask} fields={[{ name: "month", label: words.month, type: "month" }]} />
      <Panel title={query.data === undefined ? words.title : words.titleOf(query.data.month)} aside={<Freshness query={query} />}>
        <QueryView query={query}>
          {(found) => (
            <div className={layout.stack}>
              <Totals of={found} />
              {found.forecast?.within_funds === false ? (
                <Notice tone="warn">
                  <p>{words.tooLittle}</p>
                </Notice>
              ) : null}
              <Chart of={found} />
              <p className={text.help}>{words.hint}</p>
              <Disclosure summary={words.asTable} open={open} onToggle={setOpen}>
                <DataTable caption={words.chart(found.month)} columns={columns} rows={found.days} rowKey={({ day }) => day} />
              </Disclosure>
            </div>
          )}
        </QueryView>
      </Panel>
    </>
  );
}
