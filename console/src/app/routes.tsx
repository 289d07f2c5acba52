/** Which page is at which address. Its code is fetched when it is first needed, and what it shows at the same time. */
import type { QueryClient } from "@tanstack/react-query";
import { Navigate, type RouteObject } from "react-router";
import { to } from "~/paths";
import { RequireOperator, RequireSession, SignedOutOnly, Waiting } from "~/shell/session";
import { CustomerShell, OperatorShell } from "~/shell/Shell";
import { type Code, withinTime } from "./code";
import { fetchAhead, type Needs, needs, type Place } from "./needs";
import { NotFound } from "./NotFound";
import { PageOutlet } from "./PageOutlet";
import { RouteError } from "./RouteError";

/** What makes a route quick to go to: fetching its code and its data. */
export type Ahead = { code?: Code; data?: (place: Place) => void };

type Quick = Pick<RouteObject, "loader" | "handle" | "shouldRevalidate">;

const launchPage: Code = async () => (await import("~/launch/LaunchPage")).LaunchPage;

/** All addresses of the console; what they read is kept in `client`. */
export function routesOf(client: QueryClient): RouteObject[] {
  /** A route that asks for what it needs and waits for none of it. */
  const quick = (wanted: Needs, whose: "everybody" | "operators", code?: Code): Quick => {
    const data = (place: Place) => fetchAhead(client, wanted, place, whose);
    return {
      handle: { data, ...(code && { code }) } satisfies Ahead,
      loader({ params, request }) {
        data({ params, search: new URL(request.url).searchParams });
        return null;
      },
    };
  };

  /** What surrounds pages needs the same at all of them, so it asks once. */
  const around = (wanted: Needs): Quick => ({ ...quick(wanted, "everybody"), shouldRevalidate: () => false });

  const pages = (whose: "everybody" | "operators") => (path: string, code: Code, wanted: Needs) => ({
    ...(path === "" ? { index: true as const } : { path }),
    ...quick(wanted, whose, code),
    lazy: { Component: withinTime(code) },
  });

  const page = pages("everybody");
  const customer: RouteObject[] = [
    page("", async () => (await import("~/allocations/AllocationsPage")).AllocationsPage, needs.allocations),
    page("launch", launchPage, needs.launch),
    page("launch/resume/:offer/:price/:key/:then/:name?", launchPage, needs.launch),
    page("allocations/:id", async () => (await import("~/allocations/AllocationPage")).AllocationPage, needs.allocation),
    page("billing", async () => (await import("~/billing/BillingPage")).BillingPage, needs.billing),
    page("inbox", async () => (await import("~/inbox/InboxPage")).InboxPage, needs.inbox),
    page("verify-email", async () => (await import("~/inbox/VerifyEmailPage")).VerifyEmailPage, needs.email),
    page("settings", async () => (await import("~/settings/SettingsPage")).SettingsPage, needs.settings),
  ];

  const operatorPage = pages("operators");
  const operator: RouteObject[] = [
    { index: true, element: <Navigate to={to.operator.nodes()} replace /> },
    operatorPage("nodes", async () => (await import("~/operator/NodesPage")).NodesPage, needs.nodes),
    operatorPage("nodes/new", async () => (await import("~/operator/AddNodePage")).AddNodePage, needs.nothing),
    operatorPage("nodes/:id", async () => (await import("~/operator/NodePage")).NodePage, needs.node),
    operatorPage("skus", async () => (await import("~/operator/SkusPage")).SkusPage, needs.skus),
    operatorPage("skus/:id", async () => (await import("~/operator/PricesPage")).PricesPage, needs.prices),
    operatorPage("helpers", async () => (await import("~/operator/HelpersPage")).HelpersPage, needs.helpers),
    operatorPage("helpers/:id", async () => (await import("~/operator/RolloutPage")).RolloutPage, needs.rollout),
    operatorPage("approvals", async () => (await import("~/operator/ApprovalsPage")).ApprovalsPage, needs.approvals),
    operatorPage("money", async () => (await import("~/operator/money/OverviewPage")).OverviewPage, needs.money),
    operatorPage("money/requests", async () => (await import("~/operator/money/RequestsPage")).RequestsPage, needs.requests),
    operatorPage("money/refunds", async () => (await import("~/operator/money/RefundsPage")).RefundsPage, needs.refunds),
    operatorPage("money/payments", async () => (await import("~/operator/money/PaymentsPage")).PaymentsPage, needs.payments),
    operatorPage("money/credits", async () => (await import("~/operator/money/CreditsPage")).CreditsPage, needs.credits),
    operatorPage("money/disputes", async () => (await import("~/operator/money/DisputesPage")).DisputesPage, needs.disputes),
    operatorPage("money/payouts", async () => (await import("~/operator/money/PayoutsPage")).PayoutsPage, needs.payouts),
    operatorPage("money/payouts/:id", async () => (await import("~/operator/money/PayoutPage")).PayoutPage, needs.payout),
    operatorPage("money/findings", async () => (await import("~/operator/money/FindingsPage")).FindingsPage, needs.findings),
    operatorPage("money/findings/:id", async () => (await import("~/operator/money/FindingPage")).FindingPage, needs.finding),
    operatorPage("money/ledger", async () => (await import("~/operator/money/LedgerPage")).LedgerPage, needs.ledger),
    operatorPage("money/months", async () => (await import("~/operator/money/MonthsPage")).MonthsPage, needs.months),
    operatorPage("money/months/:month", async () => (await import("~/operator/money/MonthPage")).MonthPage, needs.month),
    operatorPage("money/reports", async () => (await import("~/operator/money/ReportsPage")).ReportsPage, needs.reports),
    operatorPage("allocations", async () => (await import("~/operator/OperatorAllocationsPage")).OperatorAllocationsPage, needs.adminAllocations),
  ];

  return [
    {
      errorElement: (
        <main>
          <RouteError />
        </main>
      ),
      HydrateFallback: Waiting,
      ...around(needs.me),
      children: [
        {
          element: <SignedOutOnly />,
          children: [
            page("sign-in", async () => (await import("~/account/SignInPage")).SignInPage, needs.nothing),
            page("sign-up", async () => (await import("~/account/SignUpPage")).SignUpPage, needs.signUp),
          ],
        },
        {
          element: <RequireSession />,
          children: [
            { element: <CustomerShell />, ...around(needs.customer), children: [{ errorElement: <RouteError />, children: customer }] },
            {
              element: <PageOutlet />,
              children: [page("allocations/:id/terminal", async () => (await import("~/terminal/TerminalPage")).TerminalPage, needs.terminal)],
            },
            {
              path: "operator",
              element: <RequireOperator />,
              children: [{ element: <OperatorShell />, ...quick(needs.operator, "operators"), shouldRevalidate: () => false, children: [{ errorElement: <RouteError />, children: operator }] }],
            },
          ],
        },
        { path: "*", element: <NotFound /> },
      ],
    },
  ];
}
