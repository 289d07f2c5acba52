import { useQuery } from "@tanstack/react-query";
import { deferredRevenueQuery, trialBalanceQuery, useAdminRequests, useDisputes, useFindings, usePayouts } from "~/api/books";
import type { Finding } from "~/api/types";
import { t } from "~/messages";
import { severityOf } from "~/moneyStates";
import { csv, to } from "~/paths";
import { CRITICAL, FAILED_PAYOUTS, OPEN_DISPUTES, WAITING } from "~/places";
import { LinkButton } from "~/ui/Button";
import type { Column } from "~/ui/DataTable";
import { Moment } from "~/ui/figures";
import { ListPanel } from "~/ui/List";
import { Status } from "~/ui/Status";
import { disputeColumns } from "./disputeColumns";
import { FindingMoney, FindingWhat } from "./finding";
import { MoneyPage } from "./MoneyPage";
import { payoutColumns } from "./payoutColumns";
import { Report } from "./Report";
import { requestColumns } from "./requestColumns";
import { trialColumns, trialKey, unspentColumns, unspentKey } from "./trialColumns";

const words = t.money.overview;
const found = t.money.findings.column;

const findingColumns: Column<Finding>[] = [
  { key: "severity", header: found.severity, narrow: true, cell: ({ severity }) => <Status look={severityOf(severity)} /> },
  { key: "what", header: found.what, plain: true, cell: (one) => <FindingWhat finding={one} /> },
  { key: "money", header: found.money, cell: (one) => <FindingMoney finding={one} /> },
  { key: "since", header: found.since, cell: ({ since }) => <Moment at={since} /> },
];

function More({ view }: { view: "findings" | "requests" | "disputes" | "payouts" }) {
  return (
    <LinkButton size="small" to={to.operator.money(view)}>
      {t.money.views[view]}
    </LinkButton>
  );
}

/** What waits for somebody, what customers have paid and not used, and how the accounts stand. */
export function OverviewPage() {
  return (
    <MoneyPage view="overview" lead={words.lead}>
      <ListPanel
        title={words.findings}
        query={useFindings(CRITICAL)}
        caption={words.findings}
        columns={findingColumns}
        rowKey={({ id }) => id}
        empty={words.findingsNone}
        action={<More view="findings" />}
      />
      <ListPanel
        title={words.requests}
        query={useAdminRequests(WAITING)}
        caption={words.requests}
        columns={requestColumns}
        rowKey={({ id }) => id}
        empty={words.requestsNone}
        action={<More view="requests" />}
      />
      <ListPanel
        title={words.disputes}
        query={useDisputes(OPEN_DISPUTES)}
        caption={words.disputes}
        columns={disputeColumns}
        rowKey={({ id }) => id}
        empty={words.disputesNone}
        action={<More view="disputes" />}
      />
      <Report title={words.unspent} query={useQuery(deferredRevenueQuery(null))} columns={unspentColumns} rowKey={unspentKey} empty={words.unspentNone} href={csv.deferredRevenue(null)} />
      <ListPanel
        title={words.payouts}
        query={usePayouts(FAILED_PAYOUTS)}
        caption={words.payouts}
        columns={payoutColumns}
        rowKey={({ id }) => id}
        empty={words.payoutsNone}
        action={<More view="payouts" />}
      />
      <Report title={words.balance} query={useQuery(trialBalanceQuery(null))} columns={trialColumns} rowKey={trialKey} empty={t.money.reports.trialEmpty} href={csv.trialBalance(null)} />
    </MoneyPage>
  );
}
