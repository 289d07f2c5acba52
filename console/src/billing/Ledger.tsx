import { useQuery } from "@tanstack/react-query";
import { entriesQuery } from "~/api/queries";
import type { Entry } from "~/api/types";
import { isNegative, isNothing } from "~/format/money";
import { t } from "~/messages";
import type { Column } from "~/ui/DataTable";
import { ExactAmount, Moment } from "~/ui/figures";
import { ListView } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
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

/** Every entry of the wallet, newest first, with the balance after it. */
export function Ledger() {
  const query = useQuery(entriesQuery({ cursor: useCursor() }));
  return <ListView query={query} caption={words.caption} columns={columns} rowKey={({ id }) => id} empty={words.empty} />;
}
