import { useSearchParams } from "react-router";
import { useDisputes } from "~/api/books";
import { t } from "~/messages";
import { DISPUTE_STATES } from "~/moneyStates";
import { placeOf } from "~/places";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { disputeColumns } from "./disputeColumns";
import { StateFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";

const words = t.money.disputes;

/** Every dispute and inquiry, by when the bank waits for an answer, and what it did to money. */
export function DisputesPage() {
  const place = placeOf.disputes(useSearchParams()[0]);
  return (
    <MoneyPage view="disputes" filter={<StateFilter states={DISPUTE_STATES} value={place.state} />}>
      <Panel flush>
        <ListView query={useDisputes(place)} caption={words.table} columns={disputeColumns} rowKey={({ id }) => id} empty={place.state !== null ? t.money.filter.nothing : words.empty} />
      </Panel>
    </MoneyPage>
  );
}
