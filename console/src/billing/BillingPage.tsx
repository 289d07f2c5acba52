import { useState } from "react";
import { useSearchParams } from "react-router";
import { useWallet } from "~/api/reads";
import { t } from "~/messages";
import { BILLING_VIEWS, to } from "~/paths";
import { placeOf } from "~/places";
import { ActionButton, actionNamed } from "~/ui/Button";
import { Dialog } from "~/ui/Dialog";
import layout from "~/ui/layout.module.css";
import { Page } from "~/ui/Page";
import { Panel } from "~/ui/Panel";
import { Freshness, QueryView } from "~/ui/QueryView";
import { Tabs } from "~/ui/Tabs";
import { Cards } from "./Cards";
import { CardSetupOutcome } from "./CardSetupOutcome";
import { ChargesExplained } from "./ChargesExplained";
import { Credits } from "./Credits";
import { Ledger } from "./Ledger";
import { MonthPanel } from "./MonthPanel";
import { Refunds } from "./Refunds";
import { SpendingLimits } from "./SpendingLimits";
import { TopUpForm } from "./TopUpForm";
import { TopUpOutcome } from "./TopUpOutcome";
import { TopUps } from "./TopUps";
import { WalletPanel } from "./WalletPanel";

const words = t.billing;

const VIEWS = { month: MonthPanel, ledger: Ledger, charges: ChargesExplained, "top-ups": TopUps, cards: Cards, limits: SpendingLimits, credits: Credits, refunds: Refunds };
const { topUps, ...OTHERS } = words.tabs;
const LABELS = { ...OTHERS, "top-ups": topUps };

/** Those views that are panels of their own. */
const OF_PANELS = new Set<string>(["month", "ledger", "cards", "limits", "credits", "refunds"]);

export function BillingPage() {
  const [search, setSearch] = useSearchParams();
  const [adding, setAdding] = useState(false);
  const wallet = useWallet();
  const { view, topUp, cardSetup, cancelled } = placeOf.billing(search);
  const View = VIEWS[view];
  return (
    <Page
      name={words.title}
      title={words.title}
      actions={
        <>
          <Freshness query={wallet} />
          <ActionButton action={actionNamed(wallet.data?.actions ?? [], "top_up")} variant="primary" onPress={() => setAdding(true)}>
            {words.addFunds}
          </ActionButton>
        </>
      }
    >
      {topUp === null ? null : <TopUpOutcome id={topUp} onDismiss={() => setSearch({}, { replace: true })} />}
      {cardSetup === null ? null : <CardSetupOutcome id={cardSetup} cancelled={cancelled} onDismiss={() => setSearch({ view }, { replace: true })} />}
      <QueryView query={wallet}>{(data) => <WalletPanel wallet={data} />}</QueryView>
      <div className={layout.stack}>
        <Tabs label={words.tabs.label} current={view} tabs={BILLING_VIEWS.map((id) => ({ id, label: LABELS[id], to: to.billing(id) }))} />
        {OF_PANELS.has(view) ? (
          <View />
        ) : (
          <Panel flush>
            <View />
          </Panel>
        )}
      </div>
      {adding && wallet.data !== undefined ? (
        <Dialog title={words.form.title} onClose={() => setAdding(false)}>
          <TopUpForm currency={wallet.data.currency} returnPath={to.billing()} />
        </Dialog>
      ) : null}
    </Page>
  );
}
