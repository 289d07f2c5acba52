import { QueryClient } from "@tanstack/react-query";
import { fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CLOSE } from "~/live/EventStream";
import { renderAt } from "~/testing/renderAt";
import { askedRoutes, channel, hangs, server } from "~/testing/server";
import type { Route } from "~mock/api";
import { busy } from "~mock/busy";
import { begin, world } from "~mock/world";
import { prefetchOnIntent } from "./prefetch";
import { routesOf } from "./routes";

const silent = channel.addEventListener("connection", ({ client }) => client.close(CLOSE.forbidden));

beforeEach(() => {
  begin({ ...busy(Date.now()), stepMs: null });
  // When the events channel opens, all is asked again; here only what the pages ask for is of interest.
  server.use(silent);
});

/** Who one is, and whether anything is wrong in a way that loses money. */
const OPERATOR = ["/api/v1/me", "/api/v1/notices/unread", "/api/v1/admin/findings"] as const;
/** The same, and whose money it is. */
const MONEY = [...OPERATOR, "/api/v1/admin/organizations"] as const;
const CUSTOMER = ["/api/v1/me", "/api/v1/notices/unread", "/api/v1/wallet"] as const;

/** Each page's address, and all that it shows. */
const PAGES: [address: string, routes: Route<"get">[]][] = [
  ["/", [...CUSTOMER, "/api/v1/allocations"]],
  ["/launch", [...CUSTOMER, "/api/v1/offers"]],
  ["/launch/resume/sku_1/prc_1/k/page?top_up=tu_2", [...CUSTOMER, "/api/v1/offers", "/api/v1/top-ups/{top_up_id}"]],
  [
    "/allocations/al_1",
    [
      ...CUSTOMER,
      "/api/v1/allocations/{id_or_name}",
      "/api/v1/allocations/{id_or_name}/charges",
      "/api/v1/allocations/{id_or_name}/history",
      "/api/v1/organizations/{organization_id}/members",
    ],
  ],
  ["/billing", [...CUSTOMER, "/api/v1/usage/by-day"]],
  ["/billing?view=ledger", [...CUSTOMER, "/api/v1/wallet/entries"]],
  ["/billing?view=charges", [...CUSTOMER, "/api/v1/usage"]],
  ["/billing?view=top-ups&top_up=tu_2", [...CUSTOMER, "/api/v1/top-ups", "/api/v1/top-ups/{top_up_id}"]],
  ["/billing?view=cards", [...CUSTOMER, "/api/v1/payment-methods", "/api/v1/auto-top-up"]],
  ["/billing?view=limits", [...CUSTOMER, "/api/v1/spending-limits"]],
  ["/billing?view=credits", [...CUSTOMER, "/api/v1/credits"]],
  ["/billing?view=refunds", [...CUSTOMER, "/api/v1/payments", "/api/v1/refund-requests", "/api/v1/refunds"]],
  ["/settings", [...CUSTOMER, "/api/v1/ssh-keys"]],
  ["/settings?view=tokens", [...CUSTOMER, "/api/v1/api-tokens"]],
  ["/inbox", [...CUSTOMER, "/api/v1/notices", "/api/v1/me/email"]],
  ["/settings?view=notices", [...CUSTOMER, "/api/v1/notices/preferences", "/api/v1/me/email"]],
  ["/settings?view=sessions", [...CUSTOMER, "/api/v1/auth/sessions"]],
  ["/operator/nodes", [...OPERATOR, "/api/v1/admin/nodes"]],
  ["/operator/nodes/nd_1", [...OPERATOR, "/api/v1/admin/nodes/{node_id}", "/api/v1/organizations/{organization_id}/members"]],
  ["/operator/skus", [...OPERATOR, "/api/v1/admin/skus"]],
  ["/operator/skus/sku_1", [...OPERATOR, "/api/v1/admin/skus/{sku_id}", "/api/v1/admin/prices"]],
  ["/operator/allocations", [...OPERATOR, "/api/v1/admin/allocations"]],
  [
    "/operator/money",
    [
      ...MONEY,
      "/api/v1/admin/findings",
      "/api/v1/admin/refund-requests",
      "/api/v1/admin/disputes",
      "/api/v1/admin/payouts",
      "/api/v1/admin/reports/deferred-revenue",
      "/api/v1/admin/reports/trial-balance",
    ],
  ],
  ["/operator/money/requests", [...MONEY, "/api/v1/admin/refund-requests"]],
  ["/operator/money/refunds", [...MONEY, "/api/v1/admin/refunds"]],
  ["/operator/money/payments", [...MONEY]],
  ["/operator/money/payments?organization=org_1", [...MONEY, "/api/v1/admin/payments"]],
  ["/operator/money/credits", [...MONEY, "/api/v1/admin/credit-budget", "/api/v1/admin/promo-codes", "/api/v1/admin/credits"]],
  ["/operator/money/disputes", [...MONEY, "/api/v1/admin/disputes"]],
  ["/operator/money/payouts", [...OPERATOR, "/api/v1/admin/payouts"]],
  [
    "/operator/money/payouts/po_1",
    [...OPERATOR, "/api/v1/admin/payouts/{payout_id}", "/api/v1/admin/payouts/{payout_id}/transactions", "/api/v1/admin/findings"],
  ],
  ["/operator/money/findings", [...OPERATOR, "/api/v1/admin/findings", "/api/v1/admin/finding-owners"]],
  ["/operator/money/findings/fnd_1", [...OPERATOR, "/api/v1/admin/findings/{finding_id}", "/api/v1/admin/finding-owners"]],
  ["/operator/money/ledger?organization=org_1&currency=USD&since=2026-11-01T00:00:00Z", [...MONEY, "/api/v1/admin/reports/statement"]],
  ["/operator/money/months", [...OPERATOR, "/api/v1/admin/months"]],
  ["/operator/money/months/2026-10", [...OPERATOR, "/api/v1/admin/months/{month}"]],
];

/** Whose members is known when it is known who asks. */
const MEMBERS = "/api/v1/organizations/{organization_id}/members";

const link = (name: string) => screen.getByText(name);

describe.each(PAGES)("the page at %s", (address, routes) => {
  test("asks for all that it shows before any of that is answered", async () => {
    for (const route of routes) if (route !== "/api/v1/me") hangs("get", route);
    renderAt(address);
    await expect.poll(askedRoutes).toEqual(routes.toSorted());
  });

  test("asks for nothing else, and for nothing twice", async () => {
    const { client } = renderAt(address);
    await expect.poll(askedRoutes).toEqual(routes.toSorted());
    await expect.poll(() => [screen.queryAllByRole("heading").length > 0, client.isFetching()]).toEqual([true, 0]);
    expect(askedRoutes()).toEqual(routes.toSorted());
  });

  test("does not wait to know who asks, but for what only some may read", async () => {
    hangs("get", "/api/v1/me");
    renderAt(address);
    const early = address.startsWith("/operator") ? ["/api/v1/me"] : routes.filter((route) => route !== MEMBERS);
    await expect.poll(askedRoutes).toEqual(early.toSorted());
  });
});

test("who is no operator is not asked for what operators read", async () => {
  world.me.platform_roles = [];
  renderAt("/operator/nodes");
  await screen.findByText("This page is for operators");
  expect(askedRoutes()).toEqual(["/api/v1/me"]);
});

test("who signs in is not asked who they are by a link to another page, which would clear the form", async () => {
  world.signedIn = false;
  const { user, client } = renderAt("/sign-in");
  const email = await screen.findByLabelText<HTMLInputElement>("Email");
  await user.type(email, "ada@example.com");
  const stop = prefetchOnIntent(document, routesOf(client));
  fireEvent.pointerDown(link("Sign up"));
  stop();
  // What one is asked to accept there may be fetched ahead.
  expect(client.isFetching({ predicate: ({ queryKey }) => queryKey[1] !== "/api/v1/auth/terms" })).toBe(0);
  await expect.poll(() => client.isFetching()).toBe(0);
  expect(screen.getByLabelText<HTMLInputElement>("Email").value).toBe("ada@example.com");
});

const after = (milliseconds: number) => () => void vi.advanceTimersByTime(milliseconds);

describe("a link to another page", () => {
  let stop: () => void;
  let client: QueryClient;

  beforeEach(() => {
    client = new QueryClient();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    document.body.innerHTML = '<main><a href="/billing?view=charges"><b>Billing</b></a><a href="https://elsewhere.test/">Away</a><a href="/">Here</a></main>';
    stop = prefetchOnIntent(document, routesOf(client));
  });

  afterEach(() => {
    stop();
    vi.useRealTimers();
    document.body.replaceChildren();
  });

  const AHEAD = ["/api/v1/me", "/api/v1/notices/unread", "/api/v1/usage", "/api/v1/wallet"];

  test.each([
    ["pointed at", () => fireEvent.pointerOver(link("Billing")), after(100)],
    ["reached with the keyboard", () => fireEvent.focusIn(link("Billing")), after(100)],
    ["pressed, without waiting", () => fireEvent.pointerDown(link("Billing")), after(10)],
  ])("has what it shows fetched once it is %s", async (_how, act, wait) => {
    act();
    wait();
    vi.useRealTimers();
    await expect.poll(askedRoutes).toEqual(AHEAD);
  });

  test.each([
    ["is only passed", () => [fireEvent.pointerOver(link("Billing")), fireEvent.pointerOver(document.body)]],
    ["leads elsewhere", () => fireEvent.pointerOver(link("Away"))],
    ["leads to where one is", () => fireEvent.pointerOver(link("Here"))],
  ])("has nothing fetched when it %s", (_how, act) => {
    act();
    after(100)();
    expect(client.isFetching()).toBe(0);
  });

  test("is not watched any more after the end", () => {
    stop();
    fireEvent.pointerDown(link("Billing"));
    expect(client.isFetching()).toBe(0);
  });
});
