import { useQuery } from "@tanstack/react-query";
import { historyQuery } from "~/api/queries";
import type { HistoryEntry } from "~/api/types";
import { t } from "~/messages";
import { HISTORY_CURSOR } from "~/places";
import { allocationState } from "~/states";
import type { Column } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { ListPanel } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import { Actor } from "./Actor";

const words = t.allocations.history;
const named = (state: string) => allocationState(state).label;

const columns: Column<HistoryEntry>[] = [
  { key: "at", header: words.column.at, cell: ({ at }) => <Moment at={at} /> },
  {
    key: "change",
    header: words.column.change,
    cell: (entry) => (entry.from === null || entry.from === entry.to ? named(entry.to) : words.change(named(entry.from), named(entry.to))),
  },
  { key: "reason", header: words.column.reason, cell: ({ reason }) => reason ?? t.units.none },
  { key: "actor", header: words.column.actor, cell: ({ actor }) => <Actor id={actor} /> },
];

/** Every state it has been in, why it changed, and what else befell it in one. */
export function History({ id }: { id: string }) {
  const query = useQuery(historyQuery(id, { cursor: useCursor(HISTORY_CURSOR) }));
  return (
    <ListPanel
      title={words.title}
      query={query}
      caption={words.title}
      columns={columns}
      rowKey={({ at, to }) => `${at} ${to}`}
      empty={words.empty}
      cursor={HISTORY_CURSOR}
    />
  );
}
