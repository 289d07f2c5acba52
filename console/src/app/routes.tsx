/** Which page is at which address. Pages are fetched when they are first needed. */
import { createBrowserRouter, Navigate, type RouteObject } from "react-router";
import { to } from "~/paths";
import { RouteError } from "./RouteError";
import { CustomerShell, OperatorShell } from "~/shell/Shell";
import { RequireOperator, RequireSession, SignedOutOnly } from "~/shell/session";
import { NotFound } from "./NotFound";

const customer: RouteObject[] = [
  { index: true, lazy: async () => ({ Component: (await import("~/allocations/AllocationsPage")).AllocationsPage }) },
  { path: "launch", lazy: async () => ({ Component: (await import("~/launch/LaunchPage")).LaunchPage }) },
  { path: "launch/resume/:offer/:price/:key/:then/:name?", lazy: async () => ({ Component: (await import("~/launch/LaunchPage")).LaunchPage }) },
  { path: "allocations/:id", lazy: async () => ({ Component: (await import("~/allocations/AllocationPage")).AllocationPage }) },
  { path: "billing", lazy: async () => ({ Component: (await import("~/billing/BillingPage")).BillingPage }) },
  { path: "settings", lazy: async () => ({ Component: (await import("~/settings/SettingsPage")).SettingsPage }) },
];

const operator: RouteObject[] = [
  { index: true, element: <Navigate to={to.operator.nodes()} replace /> },
  { path: "nodes", lazy: async () => ({ Component: (await import("~/operator/NodesPage")).NodesPage }) },
  { path: "nodes/new", lazy: async () => ({ Component: (await import("~/operator/AddNodePage")).AddNodePage }) },
  { path: "nodes/:id", lazy: async () => ({ Component: (await import("~/operator/NodePage")).NodePage }) },
  { path: "skus", lazy: async () => ({ Component: (await import("~/operator/SkusPage")).SkusPage }) },
  { path: "skus/:id", lazy: async () => ({ Component: (await import("~/operator/PricesPage")).PricesPage }) },
  { path: "allocations", lazy: async () => ({ Component: (await import("~/operator/OperatorAllocationsPage")).OperatorAllocationsPage }) },
];

export const routes: RouteObject[] = [
  {
    errorElement: (
      <main>
        <RouteError />
      </main>
    ),
    HydrateFallback: () => null,
    children: [
      {
        element: <SignedOutOnly />,
        children: [
          { path: "sign-in", lazy: async () => ({ Component: (await import("~/account/SignInPage")).SignInPage }) },
          { path: "sign-up", lazy: async () => ({ Component: (await import("~/account/SignUpPage")).SignUpPage }) },
        ],
      },
      {
        element: <RequireSession />,
        children: [
          { element: <CustomerShell />, children: [{ errorElement: <RouteError />, children: customer }] },
          { path: "allocations/:id/terminal", lazy: async () => ({ Component: (await import("~/terminal/TerminalPage")).TerminalPage }) },
          {
            path: "operator",
            element: <RequireOperator />,
            children: [{ element: <OperatorShell />, children: [{ errorElement: <RouteError />, children: operator }] }],
          },
        ],
      },
      { path: "*", element: <NotFound /> },
    ],
  },
];

export const router = createBrowserRouter(routes);
