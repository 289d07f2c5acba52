import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { revokeApiToken } from "~/api/commands";
import { apiTokensQuery } from "~/api/queries";
import type { ApiToken } from "~/api/types";
import { t } from "~/messages";
import { ActionButton, actionNamed, Button } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { Moment } from "~/ui/figures";
import { ListPanel } from "~/ui/List";
import { useCursor } from "~/ui/Pager";
import text from "~/ui/text.module.css";
import { CreateToken } from "./CreateToken";

const words = t.settings.tokens;

/** Tokens for programs: what they may do, when they were used, when they end. */
export function ApiTokens() {
  const query = useQuery(apiTokensQuery({ cursor: useCursor() }));
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiToken | null>(null);
  const columns: Column<ApiToken>[] = [
    { key: "name", header: words.column.name, cell: ({ name }) => <span className={text.cellMain}>{name}</span> },
    { key: "scopes", header: words.column.scopes, cell: ({ scopes }) => <code className={text.break}>{scopes.join(" ")}</code> },
    {
      key: "used",
      header: words.column.used,
      cell: ({ last_used_at }) => (last_used_at === null ? <span className={text.faint}>{words.never}</span> : <Moment at={last_used_at} />),
    },
    { key: "expires", header: words.column.expires, cell: ({ expires_at }) => <Moment at={expires_at} /> },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (token) => (
        <Button size="small" aria-label={words.revokeLabel(token.name)} onPress={() => setRevoking(token)}>
          {words.revoke}
        </Button>
      ),
    },
  ];
  return (
    <>
      <ListPanel
        title={words.title}
        caption={words.title}
        lead={words.lead}
        query={query}
        columns={columns}
        rowKey={({ id }) => id}
        empty={words.empty}
        action={
          <ActionButton action={actionNamed(query.data?.actions ?? [], "create")} size="small" variant="primary" onPress={() => setCreating(true)}>
            {words.create}
          </ActionButton>
        }
      />
      {creating ? (
        <Dialog title={words.create} onClose={() => setCreating(false)}>
          <CreateToken onDone={() => setCreating(false)} />
        </Dialog>
      ) : null}
      {revoking === null ? null : (
        <Confirm
          title={words.revokeTitle(revoking.name)}
          consequences={words.revokeConsequences}
          confirm={words.revoke}
          command={revokeApiToken}
          input={revoking.id}
          onClose={() => setRevoking(null)}
        />
      )}
    </>
  );
}
