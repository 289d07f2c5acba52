import { useQuery } from "@tanstack/react-query";
import { switchNotice, useCommand } from "~/api/commands";
import { noticePreferencesQuery } from "~/api/queries";
import type { NoticePreference } from "~/api/types";
import { VerifyAddress } from "~/inbox/VerifyAddress";
import { t } from "~/messages";
import { Check } from "~/ui/controls";
import { type Column, DataTable } from "~/ui/DataTable";
import { ErrorNotice } from "~/ui/Notice";
import { Panel, PanelNote } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import text from "~/ui/text.module.css";

const words = t.notices.preferences;
const CHANNELS = ["inbox", "email"] as const;

const whyFixed = ({ actions }: NoticePreference) => actions.find(({ allowed }) => !allowed)?.reason ?? null;

/** What one wants to be told, by which ways. */
export function Notices() {
  const query = useQuery(noticePreferencesQuery());
  const switching = useCommand(switchNotice);
  const boxes = CHANNELS.map(
    (channel): Column<NoticePreference> => ({
      key: channel,
      header: words.column[channel],
      narrow: true,
      cell: (one) => (
        <Check
          checked={one[channel]}
          disabled={whyFixed(one) !== null || switching.isPending}
          aria-label={words[channel](one.about)}
          onChange={({ target }) => switching.mutate({ kind: one.kind, [channel]: target.checked })}
        >
          {null}
        </Check>
      ),
    }),
  );
  const columns: Column<NoticePreference>[] = [
    { key: "about", header: words.column.about, cell: ({ about }) => about },
    ...boxes,
    { key: "why", header: words.column.why, cell: (one) => <span className={text.muted}>{whyFixed(one) ?? t.units.none}</span> },
  ];
  return (
    <>
      <VerifyAddress />
      <Panel title={words.title} flush aside={<Freshness query={query} />}>
        <PanelNote>{words.lead}</PanelNote>
        {switching.isError ? <ErrorNotice error={switching.error} /> : null}
        <QueryView query={query} skeleton="table">
          {({ items }) =>
            items.length === 0 ? <PanelNote>{words.empty}</PanelNote> : <DataTable caption={words.title} columns={columns} rows={items} rowKey={({ kind }) => kind} />
          }
        </QueryView>
      </Panel>
    </>
  );
}
