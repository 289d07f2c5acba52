import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { type StatementPlace, statementQuery, useCustomers } from "~/api/books";
import type { Statement } from "~/api/types";
import { isNothing } from "~/format/money";
import { formatDateTime, formatFull } from "~/format/time";
import { t } from "~/messages";
import { csv } from "~/paths";
import { placeOf } from "~/places";
import { type Column, DataTable } from "~/ui/DataTable";
import { Empty } from "~/ui/Empty";
import { Facts } from "~/ui/Facts";
import { ExactAmount } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { Panel, PanelNote } from "~/ui/Panel";
import { QueryView } from "~/ui/QueryView";
import text from "~/ui/text.module.css";
import { Asking } from "~/ui/Asking";
import { Download } from "~/ui/Download";
import { CustomerFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";

const words = t.money.ledger;
const { filter } = t.money;

type Line = Statement["lines"][number];

const columns: Column<Line>[] = [
  { key: "at", header: words.column.at, narrow: true, cell: ({ effective_at: at }) => <time dateTime={at} title={formatFull(at)}>{formatDateTime(at)}</time> },
  {
    key: "what",
    header: words.column.what,
    cell: ({ description, kind, entry_id: id, corrects }) => (
      <span className={text.break}>
        {description}
        <span className={text.cellSub}>{t.units.join([t.money.account(kind), words.number(id), ...(corrects === null ? [] : [words.corrects(corrects)])])}</span>
      </span>
    ),
  },
  { key: "account", header: words.column.account, narrow: true, cell: ({ account }) => words.account[account] ?? account },
  { key: "amount", header: words.column.amount, numeric: true, cell: ({ amount }) => <ExactAmount money={amount} signed={!isNothing(amount)} /> },
];

const NAMES = ["wallet", "promo", "owed"] as const;

function Balances({ of }: { of: Statement["opening"] }) {
  return <Facts rows={NAMES.map((name) => [words.balances[name], <ExactAmount key={name} money={of[name]} />])} />;
}

function StatementOf({ place, name }: { place: StatementPlace; name: string }) {
  const query = useQuery(statementQuery(place));
  return (
    <QueryView query={query} skeleton="table">
      {({ opening, closing, lines }) => (
        <>
          <div className={layout.fields}>
            <Panel title={words.opening}>
              <Balances of={opening} />
            </Panel>
            <Panel title={words.closing}>
              <Balances of={closing} />
            </Panel>
          </div>
          <Panel title={words.table(name)} flush aside={<Download href={csv.statement(place)} what={words.table(name)} />}>
            {lines.length === 0 ? (
              <PanelNote>{words.empty}</PanelNote>
            ) : (
              <DataTable caption={words.table(name)} columns={columns} rows={lines} rowKey={({ entry_id: id, account, amount }) => `${id} ${account} ${amount.amount}`} />
            )}
          </Panel>
        </>
      )}
    </QueryView>
  );
}

/** One customer's accounts between any two times: what it had before and after, and every line between. */
export function LedgerPage() {
  const [search] = useSearchParams();
  const place = placeOf.statement(search);
  const organization = search.get("organization") ?? "";
  const name = useCustomers().data?.items.find(({ id }) => id === organization)?.name ?? organization;
  return (
    <MoneyPage view="ledger" lead={words.lead} filter={<CustomerFilter value={organization} />}>
      <Asking
        label={t.money.views.ledger}
        fields={[
          { name: "currency", label: filter.currency, type: "text", required: true, maxLength: 3 },
          { name: "since", label: filter.from, type: "datetime-local", required: true },
          { name: "until", label: filter.until, type: "datetime-local" },
        ]}
      />
      {place === null ? (
        <Panel flush>
          <Empty {...words.choose} />
        </Panel>
      ) : (
        <StatementOf place={place} name={name} />
      )}
    </MoneyPage>
  );
}
