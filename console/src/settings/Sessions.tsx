import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { endSession } from "~/api/commands";
import { sessionsQuery } from "~/api/queries";
import type { SessionView } from "~/api/types";
import { t } from "~/messages";
import { Button } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { ListPanel } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";
import { programName } from "./userAgent";

const words = t.settings.sessions;

/** Where the user is signed in. */
export function Sessions() {
  const query = useQuery(sessionsQuery({ cursor: useCursor() }));
  const [ending, setEnding] = useState<SessionView | null>(null);
  const columns: Column<SessionView>[] = [
    {
      key: "where",
      header: words.column.where,
      cell: ({ user_agent, current }) => (
        <span title={user_agent ?? undefined}>
          {programName(user_agent)} {current ? <Tag>{words.current}</Tag> : null}
        </span>
      ),
    },
    { key: "address", header: words.column.address, cell: ({ address }) => <code>{address ?? t.units.none}</code> },
    { key: "seen", header: words.column.seen, cell: ({ last_seen_at }) => <Moment at={last_seen_at} /> },
    { key: "since", header: words.column.since, cell: ({ created_at }) => <Moment at={created_at} /> },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (session) =>
        session.current ? (
          <span className={text.faint}>{t.units.none}</span>
        ) : (
          <Button size="small" aria-label={words.endLabel(programName(session.user_agent))} onPress={() => setEnding(session)}>
            {words.end}
          </Button>
        ),
    },
  ];
  return (
    <>
      <ListPanel title={words.title} caption={words.title} lead={words.lead} query={query} columns={columns} rowKey={({ id }) => id} empty={words.empty} />
      {ending === null ? null : (
        <Confirm
          title={words.endTitle}
          consequences={words.endConsequences}
          confirm={words.end}
          command={endSession}
          input={ending.id}
          onClose={() => setEnding(null)}
        />
      )}
    </>
  );
}
