import { useState } from "react";
import { useSearchParams } from "react-router";
import { useDisputes } from "~/api/books";
import type { Dispute } from "~/api/types";
import { t } from "~/messages";
import { DISPUTE_STATES } from "~/moneyStates";
import { placeOf } from "~/places";
import { ActionButton, actionNamed } from "~/ui/Button";
import type { Column } from "~/ui/DataTable";
import { Dialog } from "~/ui/Dialog";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { disputeColumns } from "./disputeColumns";
import { EvidenceForm } from "./EvidenceForm";
import { StateFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";

const words = t.money.disputes;

/** The packet, of what the bank waits for. */
const opening = (onOpen: (dispute: Dispute) => void): Column<Dispute> => ({
  key: "act",
  header: words.column.act,
  cell: (one) => (
    <ActionButton action={actionNamed(one.actions, "answer")} size="small" aria-label={words.evidence.openLabel(one.id)} onPress={() => onOpen(one)}>
      {words.evidence.open}
    </ActionButton>
  ),
});

/** Every dispute and inquiry, by when the bank waits for an answer, and what it did to money. */
export function DisputesPage() {
  const [open, setOpen] = useState<Dispute>();
  const place = placeOf.disputes(useSearchParams()[0]);
  return (
    <MoneyPage view="disputes" filter={<StateFilter states={DISPUTE_STATES} value={place.state} />}>
      <Panel flush>
        <ListView query={useDisputes(place)} caption={words.table} columns={[...disputeColumns, opening(setOpen)]} rowKey={({ id }) => id} empty={place.state !== null ? t.money.filter.nothing : words.empty} />
      </Panel>
      {open === undefined ? null : (
        <Dialog title={words.evidence.title(open.id)} onClose={() => setOpen(undefined)}>
          <EvidenceForm dispute={open} onClose={() => setOpen(undefined)} />
        </Dialog>
      )}
    </MoneyPage>
  );
}
