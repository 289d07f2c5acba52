import type { Charge } from "~/api/types";
import { formatExact } from "~/format/money";
import { formatClock, formatDay, formatFull } from "~/format/time";
import { t } from "~/messages";
import type { Column } from "~/ui/DataTable";
import { ExactAmount } from "~/ui/figures";
import text from "~/ui/text.module.css";
import css from "./chargeColumns.module.css";

const words = t.allocations.charges;

function Period({ start, end }: { start: string; end: string }) {
  return (
    <span className={text.figures} title={`${formatFull(start)} – ${formatFull(end)}`}>
      {formatDay(start)} {formatClock(start)}–{formatClock(end)}
    </span>
  );
}

/** The columns that explain a charge: rate × seconds = amount, all three as the server gave them. */
export function chargeColumns<C extends Charge>(): Column<C>[] {
  return [
    { key: "period", header: words.column.period, cell: ({ period_start, period_end }) => <Period start={period_start} end={period_end} /> },
    {
      key: "calculation",
      header: words.column.calculation,
      numeric: true,
      cell: ({ rate, seconds, kind }) => (
        <span className={css.explain}>
          {words.calculation(t.units.perHour(formatExact(rate)), words.seconds(String(seconds)))}
          {kind === "running" ? null : <span className={text.cellSub}>{kind === "disk" ? words.disk : words.suspended}</span>}
        </span>
      ),
    },
    { key: "amount", header: words.column.amount, numeric: true, cell: ({ amount }) => <ExactAmount money={amount} /> },
    {
      key: "posted",
      header: words.column.posted,
      narrow: true,
      cell: ({ ledger_entry_id }) => <span className={`${text.muted} ${text.small}`}>{ledger_entry_id === null ? words.accruing : words.posted}</span>,
    },
  ];
}
