import { useState } from "react";
import { addCard, makeCardDefault, removeCard, useCommand } from "~/api/commands";
import { useIntent } from "~/api/intent";
import { useCards } from "~/api/reads";
import type { SavedCard } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Confirm } from "~/ui/Confirm";
import type { Column } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import layout from "~/ui/layout.module.css";
import { ListPanel } from "~/ui/List";
import { ErrorNotice } from "~/ui/Notice";
import { useCursor } from "~/ui/Pager";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";
import { AutoTopUpPanel } from "./AutoTopUpPanel";

const words = t.billing.cards;

const expiry = ({ expiry_month, expiry_year }: SavedCard) => `${String(expiry_month).padStart(2, "0")}/${expiry_year}`;

/** The saved cards, and what is charged to the default one by itself. */
export function Cards() {
  const query = useCards(useCursor());
  const keyFor = useIntent();
  const [removing, setRemoving] = useState<SavedCard | null>(null);
  const choosing = useCommand(makeCardDefault);
  const adding = useCommand(addCard, { onSuccess: ({ checkout_url }) => checkout_url && window.location.assign(checkout_url) });
  // Until the page for saving a card has taken the place of this one, there is nothing to press here.
  const leaving = adding.isPending || Boolean(adding.data?.checkout_url);
  const add = () => {
    const body = { return_path: to.billing() };
    adding.mutate({ key: keyFor({ ...body, at: query.dataUpdatedAt }), body });
  };
  const columns: Column<SavedCard>[] = [
    {
      key: "card",
      header: words.column.card,
      cell: (card) => (
        <span className={layout.cluster}>
          <span className={text.cellMain}>{words.name(card.brand, card.last4)}</span>
          {card.is_default ? <Tag>{words.isDefault}</Tag> : null}
        </span>
      ),
    },
    { key: "expiry", header: words.column.expiry, cell: expiry },
    { key: "saved", header: words.column.saved, cell: ({ saved_at }) => <Moment at={saved_at} /> },
    {
      key: "act",
      header: words.column.act,
      narrow: true,
      cell: (card) => (
        <span className={layout.cluster}>
          {card.is_default ? null : (
            <ActionButton
              size="small"
              action={actionNamed(card.actions, "make_default")}
              aria-label={words.makeDefaultLabel(card.last4)}
              isPending={choosing.isPending && choosing.variables === card.id}
              onPress={() => choosing.mutate(card.id)}
            >
              {words.makeDefault}
            </ActionButton>
          )}
          <ActionButton size="small" action={actionNamed(card.actions, "remove")} aria-label={words.removeLabel(card.last4)} onPress={() => setRemoving(card)}>
            {words.remove}
          </ActionButton>
        </span>
      ),
    },
  ];
  return (
    <>
      {adding.isError || choosing.isError ? <ErrorNotice error={adding.error ?? choosing.error} /> : null}
      <ListPanel
        title={words.title}
        caption={words.title}
        lead={words.lead}
        query={query}
        columns={columns}
        rowKey={({ id }) => id}
        empty={words.empty}
        action={
          <ActionButton action={actionNamed(query.data?.actions ?? [], "add")} size="small" variant="primary" isPending={leaving} onPress={add}>
            {leaving ? words.adding : words.add}
          </ActionButton>
        }
      />
      <AutoTopUpPanel />
      {removing === null ? null : (
        <Confirm
          title={words.removeTitle(removing.last4)}
          consequences={removing.is_default ? [...words.removeConsequences, words.removeDefault] : words.removeConsequences}
          confirm={words.remove}
          command={removeCard}
          input={removing.id}
          onClose={() => setRemoving(null)}
        />
      )}
    </>
  );
}
