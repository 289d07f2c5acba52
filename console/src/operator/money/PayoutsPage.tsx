import { useSearchParams } from "react-router";
import { usePayouts } from "~/api/books";
import { t } from "~/messages";
import { PAYOUT_STATES } from "~/moneyStates";
import { placeOf } from "~/places";
import { ListView } from "~/ui/List";
import { Panel } from "~/ui/Panel";
import { StateFilter } from "./Filter";
import { MoneyPage } from "./MoneyPage";
import { payoutColumns } from "./payoutColumns";

const words = t.money.payouts;

/** What the processor sent to the bank, whether it has arrived, and whether it is what left. */
export function PayoutsPage() {
  const place = placeOf.payouts(useSearchParams()[0]);
  return (
    <MoneyPage view="payouts" lead={words.lead} filter={<StateFilter states={PAYOUT_STATES} value={place.state} />}>
      <Panel flush>
        <ListView query={usePayouts(place)} caption={words.table} columns={payoutColumns} rowKey={({ id }) => id} empty={place.state !== null ? t.money.filter.nothing : words.empty} />
      </Panel>
    </MoneyPage>
  );
}
