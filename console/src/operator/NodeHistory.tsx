import { Actor } from "~/allocations/Actor";
import type { NodeDetail } from "~/api/types";
import { t } from "~/messages";
import { nodeState } from "~/states";
import { type Column, DataTable } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { Panel, PanelNote } from "~/ui/Panel";

type Change = NodeDetail["history"][number];

const words = t.allocations.history;
const named = (state: string) => nodeState(state).label;

const columns: Column<Change>[] = [
  { key: "at", header: words.column.at, cell: ({ at }) => <Moment at={at} /> },
  {
    key: "change",
    header: words.column.change,
    cell: ({ from_state, to_state }) => (from_state === null ? named(to_state) : words.change(named(from_state), named(to_state))),
  },
  { key: "reason", header: words.column.reason, cell: ({ reason }) => reason },
  { key: "actor", header: words.column.actor, cell: ({ actor }) => <Actor id={actor} /> },
];

/** Every state the node has been in, and why it changed. */
export function NodeHistory({ history }: { history: Change[] }) {
  return (
    <Panel title={words.title} flush>
      {history.length === 0 ? (
        <PanelNote>{words.empty}</PanelNote>
      ) : (
        <DataTable caption={words.title} columns={columns} rows={history} rowKey={({ at, to_state }) => `${at} ${to_state}`} />
      )}
    </Panel>
  );
}
