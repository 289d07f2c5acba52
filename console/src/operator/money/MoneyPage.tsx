import type { ReactNode } from "react";
import { t } from "~/messages";
import { MONEY_VIEWS, type MoneyView, to } from "~/paths";
import layout from "~/ui/layout.module.css";
import { Page } from "~/ui/Page";
import { Tabs } from "~/ui/Tabs";

type MoneyPageProps = { view: MoneyView; lead?: string; filter?: ReactNode; children: ReactNode };

/** What surrounds each view of money: the ways to the others, and what narrows this one. */
export function MoneyPage({ view, lead, filter, children }: MoneyPageProps) {
  return (
    <Page name={t.money.views[view]} title={t.money.title} lead={lead} actions={filter}>
      <div className={layout.stack}>
        <Tabs label={t.money.viewsLabel} current={view} tabs={MONEY_VIEWS.map((id) => ({ id, label: t.money.views[id], to: to.operator.money(id) }))} />
        {children}
      </div>
    </Page>
  );
}
