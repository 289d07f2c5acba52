import { useQuery } from "@tanstack/react-query";
import { historyQuery } from "~/api/queries";
import type { HistoryEntry } from "~/api/types";
import { t } from "~/messages";
import { HISTORY_CURSOR } from "~/places";
import { allocationState } from "~/states";
import { type Column, DataTable } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { Panel } from "~/ui/Page";
import { Pager, useCursor } from "~/ui/Pager";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Actor } from "./Actor";

const words = t.allocations.history;
const named = (state: string) => allocationState(state).label;

const columns: Column<HistoryEntry>[] = [
  { key: "at", header: words.column.at, cell: ({ at }) => <Moment at={at} /> },
  {
    key: "change",
    header: words.column.change,
    cell: (entry) => (entry.from === null ? named(entry.to) : words.change(named(entry.from), named(entry.to))),
  },
  { key: "reason", header: words.column.reason, cell: ({ reason }) => reason ?? t.units.none },
  { key: "actor", header: words.column.actor, cell: ({ actor }) => <Actor id={actor} /> },
];

/** Every state it has been in, and why it changed. */
export function History({ id }: { id: string }) {
  const query = useQuery(historyQuery(id, { cursor: useCursor(HISTORY_CURSOR) }));
  return (
    <Panel title={words.title} aside={<Freshness query={query} />} flush>
      <QueryView query={query} skeleton="table">
        {({ items, next_cursor }) => (
          <>
            {items.length === 0 ? (
              <p className="panel-note">{words.empty}</p>
            ) : (
              <DataTable caption={words.title} columns={columns} rows={items} rowKey={({ at, to }) => `${at} ${to}`} />
            )}
            <Pager next={next_cursor} name={HISTORY_CURSOR} />
          </>
        )}
      </QueryView>
    </Panel>
  );
}
