import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { monthsQuery } from "~/api/books";
import { closeMonth } from "~/api/commands";
import type { Month } from "~/api/types";
import { formatDateTime } from "~/format/time";
import { t } from "~/messages";
import { monthState } from "~/moneyStates";
import { csv, to } from "~/paths";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { Status } from "~/ui/Status";
import text from "~/ui/text.module.css";
import { Download } from "~/ui/Download";
import { MoneyPage } from "./MoneyPage";

const words = t.money.months;

/** Asks before a month is closed for good. */
export function CloseMonth({ month, onClose }: { month: string; onClose: () => void }) {
  return <Confirm title={words.closeTitle(month)} consequences={words.consequences(month)} confirm={words.closeSubmit} command={closeMonth} input={month} onClose={onClose} />;
}

function columns(onCloseMonth: (month: string) => void): Column<Month>[] {
  return [
    {
      key: "month",
      header: words.column.month,
      plain: true,
      cell: ({ month }) => (
        <Link className={text.cellMain} to={to.operator.month(month)}>
          {month}
        </Link>
      ),
    },
    {
      key: "span",
      header: words.column.span,
      cell: ({ starts_at: from, ends_at: until }) => (
        <span className={text.figures}>
          {formatDateTime(from)} – {formatDateTime(until)}
        </span>
      ),
    },
    { key: "state", header: words.column.state, narrow: true, cell: ({ state }) => <Status look={monthState(state)} /> },
    {
      key: "closed",
      header: words.column.closed,
      cell: ({ closed_at: at, closed_by: who }) =>
        at === null ? (
          t.units.none
        ) : (
          <span>
            <Moment at={at} />
            {who === null ? null : <span className={text.cellSub}>{words.by(who)}</span>}
          </span>
        ),
    },
    {
      key: "act",
      header: words.column.act,
      cell: ({ month, state, actions }) => (
        <span className={layout.cluster}>
          <Download href={csv.month(month)} what={month} />
          {state === "closed" ? null : (
            <ActionButton action={actionNamed(actions, "close")} size="small" aria-label={words.closeLabel(month)} onPress={() => onCloseMonth(month)}>
              {words.close}
            </ActionButton>
          )}
        </span>
      ),
    },
  ];
}

/** The months of the books: which are closed, and closing the next. */
export function MonthsPage() {
  const [closing, setClosing] = useState<string>();
  return (
    <MoneyPage view="months">
      <Panel flush>
        <ListView query={useQuery(monthsQuery())} caption={words.table} columns={columns(setClosing)} rowKey={({ month }) => month} empty={words.empty} />
      </Panel>
      {closing === undefined ? null : <CloseMonth month={closing} onClose={() => setClosing(undefined)} />}
    </MoneyPage>
  );
}
