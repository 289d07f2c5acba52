import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import { monthQuery } from "~/api/books";
import type { MonthReport } from "~/api/types";
import { t } from "~/messages";
import { monthState } from "~/moneyStates";
import { csv, to } from "~/paths";
import { ActionButton, actionNamed } from "~/ui/Button";
import { type Column, DataTable } from "~/ui/DataTable";
import { ExactAmount } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { Page } from "~/ui/Page";
import { Panel, PanelNote } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Status } from "~/ui/Status";
import { Download } from "~/ui/Download";
import { CloseMonth } from "./MonthsPage";

const words = t.money.months;

type Line = MonthReport["lines"][number];

const amount = (name: "opening" | "debits" | "credits" | "closing"): Column<Line> => ({
  key: name,
  header: words.reportColumn[name],
  numeric: true,
  cell: (line) => <ExactAmount money={line[name]} />,
});

const columns: Column<Line>[] = [
  { key: "account", header: words.reportColumn.account, plain: true, cell: ({ account }) => t.money.account(account) },
  amount("opening"),
  amount("debits"),
  amount("credits"),
  amount("closing"),
];

/** What one month came to, by account; and closing it. */
export function MonthPage() {
  const { month = "" } = useParams();
  const query = useQuery(monthQuery(month));
  const [closing, setClosing] = useState(false);
  const known = query.data?.month;
  return (
    <Page
      name={words.title(month)}
      title={words.title(month)}
      crumb={<Link to={to.operator.money("months")}>{words.back}</Link>}
      actions={
        <>
          <Freshness query={query} />
          <Download href={csv.month(month)} what={month} />
          {known?.state === "open" ? (
            <ActionButton action={actionNamed(known.actions, "close")} variant="primary" onPress={() => setClosing(true)}>
              {words.closeSubmit}
            </ActionButton>
          ) : null}
        </>
      }
    >
      <QueryView query={query} skeleton="table">
        {({ month: { state }, lines }) => (
          <Panel flush>
            <PanelNote>
              <span className={layout.cluster}>
                <Status look={monthState(state)} />
                {state === "open" ? words.soFar : words.final}
              </span>
            </PanelNote>
            {lines.length === 0 ? (
              <PanelNote>{words.reportEmpty}</PanelNote>
            ) : (
              <DataTable caption={words.title(month)} columns={columns} rows={lines} rowKey={({ account, closing: { currency } }) => `${account} ${currency}`} />
            )}
          </Panel>
        )}
      </QueryView>
      {closing ? <CloseMonth month={month} onClose={() => setClosing(false)} /> : null}
    </Page>
  );
}
