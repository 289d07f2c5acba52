import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { entriesQuery } from "~/api/queries";
import type { Entry } from "~/api/types";
import { isNegative, isNothing } from "~/format/money";
import { t } from "~/messages";
import { csv } from "~/paths";
import { placeOf } from "~/places";
import { Asking } from "~/ui/Asking";
import type { Column } from "~/ui/DataTable";
import { Download } from "~/ui/Download";
import { ExactAmount, Moment } from "~/ui/figures";
import { Filter } from "~/ui/Filter";
import layout from "~/ui/layout.module.css";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";
import css from "./Ledger.module.css";

const words = t.billing.ledger;

const columns: Column<Entry>[] = [
  { key: "at", header: words.column.at, narrow: true, cell: ({ effective_at }) => <Moment at={effective_at} /> },
  {
    key: "what",
    header: words.column.what,
    cell: ({ kind, account, description, entry_id }) => (
      <span>
        {description}
        <span className={text.cellSub}>
          {t.units.join([words.kind[kind] ?? kind.replaceAll("_", " "), ...(words.account[account] ?? [])])} · <code>{words.number(entry_id)}</code>
        </span>
      </span>
    ),
  },
  {
    key: "amount",
    header: words.column.amount,
    numeric: true,
    cell: ({ amount }) => (
      <span className={isNegative(amount) || isNothing(amount) ? undefined : css.positive}>
        <ExactAmount money={amount} signed={!isNothing(amount)} />
      </span>
    ),
  },
  { key: "balance", header: words.column.balance, numeric: true, cell: ({ balance_after }) => <ExactAmount money={balance_after} /> },
];

const kinds = Object.entries(words.kind).map(([name, label]): [string, string] => [name, label]);

/** Every entry of the wallet, newest first, with the balance after it; narrowed by what one looks for, and as a file. */
export function Ledger() {
  const { ledger } = placeOf.billing(useSearchParams()[0]);
  const isNarrowed = Boolean(ledger.kind ?? ledger.search ?? ledger.since ?? ledger.until);
  return (
    <>
      <div className={layout.spread}>
        <Asking
          label={words.find}
          fields={[
            { name: "search", label: words.search, type: "text", maxLength: 100 },
            { name: "since", label: words.since, type: "datetime-local" },
            { name: "until", label: words.until, type: "datetime-local" },
          ]}
        />
        <span className={layout.cluster}>
          <Filter name="kind" label={words.kindLabel} value={ledger.kind ?? ""} options={[["", words.all], ...kinds]} />
          <Download href={csv.ledger(ledger)} what={words.file} />
        </span>
      </div>
      <Panel flush>
        <ListView query={useQuery(entriesQuery(ledger))} caption={words.caption} columns={columns} rowKey={({ id }) => id} empty={isNarrowed ? words.nothing : words.empty} />
      </Panel>
    </>
  );
}
