import { cleanup, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { answers, asked, refuses } from "~/testing/server";
import { entry, monthUsage, topUp, wallet } from "~mock/fixtures/billing";
import { like } from "~mock/fixtures/common";
import { world } from "~mock/world";

describe("the month", () => {
  test("is told as the server says it, in a chart and in a table", async () => {
    world.usageByDay = like(monthUsage);
    const { user } = renderAt("/billing");
    expect(await screen.findByRole("img", { name: "Cost of each day of 2026-01" })).toBeTruthy();
    expect(screen.getByText("So far").nextElementSibling?.textContent).toBe("$9.38");
    expect(screen.getByText("Until 1 Feb, if it goes on").nextElementSibling?.textContent).toBe("$34.58");
    expect(screen.queryByText(/does not last/)).toBeNull();
    await user.click(screen.getByText("View as table"));
    const row = screen.getByText("2026-01-03").closest("tr") as HTMLElement;
    expect(row.querySelector('td:last-child data[value="7.284"]')).toBeTruthy();
  });

  test("draws each day as a part of the dearest", async () => {
    world.usageByDay = like(monthUsage);
    renderAt("/billing");
    const chart = await screen.findByRole("img", { name: /^Cost of each day/ });
    const bars = [...chart.querySelectorAll<HTMLElement>("[style]")].map(({ style }) => style.transform);
    expect(bars).toEqual(["scaleY(0)", expect.stringMatching(/^scaleY\(0\.288/), "scaleY(1)"]);
  });

  test("says that the money does not last, where the server does", async () => {
    world.usageByDay = like(monthUsage, { forecast: { ...monthUsage.forecast, within_funds: false } as typeof monthUsage.forecast });
    renderAt("/billing");
    expect(await screen.findByText(/does not last until the month ends/)).toBeTruthy();
  });

  test("that is over has no forecast", async () => {
    world.usageByDay = like(monthUsage, { forecast: null });
    renderAt("/billing?month=2026-01");
    expect(await screen.findByText("So far")).toBeTruthy();
    expect(screen.queryByText(/if it goes on/)).toBeNull();
    expect(asked("get", "/api/v1/usage/by-day")[0]?.query.get("month")).toBe("2026-01");
  });
});

describe("billing", () => {
  test("says until when what nobody pays for is kept, and else nothing of it", async () => {
    renderAt("/billing");
    await screen.findByText("Available");
    expect(screen.queryByText(/not paid for is released/)).toBeNull();
    cleanup();
    world.wallet = like(wallet, { data_kept_until: new Date(Date.now() + 7_230_000).toISOString() });
    renderAt("/billing");
    expect(await screen.findByText(/not paid for is released in 2 h 00 min, and its files are deleted/)).toBeTruthy();
  });

  test("shows the ledger to the last digit, with the balance after each entry", async () => {
    world.entries = [entry];
    renderAt("/billing?view=ledger");
    const row = (await screen.findByText("notebook, 1 h 02 min")).closest("tr") as HTMLElement;
    expect(row.querySelector('data[value="-0.03723"]')?.textContent).toBe("−$0.03723");
    expect(row.querySelector('data[value="19.96277"]')?.textContent).toBe("$19.96277");
  });

  test("walks the ledger by its cursor, in the address", async () => {
    world.entries = [entry, like(entry, { id: "ent_2", description: "older" })];
    world.pageLength = 1;
    const { user, router } = renderAt("/billing?view=ledger");
    await user.click(await screen.findByRole("link", { name: "Next page" }));
    expect(await screen.findByText("older")).toBeTruthy();
    expect(router.state.location.search).toBe("?view=ledger&cursor=1");
    expect(screen.getByRole("link", { name: "First page" })).toBeTruthy();
  });

  test("finds lines by what is said of them and by their kind, and gives the same as a file", async () => {
    world.entries = [entry, like(entry, { id: "2-1", kind: "credit", description: "Welcome credit" })];
    const { user, router } = renderAt("/billing?view=ledger&cursor=0");
    await user.type(await screen.findByLabelText("Search"), "welcome");
    await user.click(screen.getByRole("button", { name: "Show" }));
    await waitFor(() => expect(screen.queryByText("notebook, 1 h 02 min")).toBeNull());
    expect(screen.getByText("Welcome credit")).toBeTruthy();
    expect(screen.getByRole("link", { name: "Download CSV: ledger" }).getAttribute("href")).toBe("/api/v1/wallet/entries?search=welcome&format=csv");
    await user.selectOptions(screen.getByLabelText("Kind"), "Top-up");
    expect(await screen.findByText("Nothing in the ledger is like that.")).toBeTruthy();
    expect(router.state.location.search).toBe("?view=ledger&search=welcome&kind=top_up");
  });

  test("shows a ledger that cannot be read as failed, beside a wallet that can", async () => {
    refuses("get", "/api/v1/wallet/entries");
    renderAt("/billing?view=ledger");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.getAllByText("$20.00").length).toBeGreaterThan(0);
    expect(screen.queryByText("The ledger is empty")).toBeNull();
  });

  test("asks until a payment has succeeded", async () => {
    answers("get", "/api/v1/top-ups/{top_up_id}", topUp, like(topUp, { state: "succeeded" }));
    renderAt("/billing?top_up=tu_1");
    expect(await screen.findByText("Payment is being processed")).toBeTruthy();
    expect(await screen.findByText("$20.00 added", {}, { timeout: 4_000 })).toBeTruthy();
  });

  test("stops asking for a payment that there is none of", async () => {
    const { client } = renderAt("/billing?top_up=tu_1");
    await screen.findByRole("alert");
    const [query] = client.getQueryCache().findAll({ predicate: ({ queryKey }) => queryKey[1] === "/api/v1/top-ups/{top_up_id}" });
    const { refetchInterval } = query?.observers[0]?.options ?? {};
    expect(typeof refetchInterval === "function" && query ? refetchInterval(query) : refetchInterval).toBe(false);
    // Ahead of the page, and by the page.
    expect(asked("get", "/api/v1/top-ups/{top_up_id}").length).toBeLessThanOrEqual(2);
  });

  test("says why a payment failed, in the processor's words", async () => {
    world.topUps = [like(topUp, { state: "failed", failure: { code: "card_declined", message: "Your card was declined." } })];
    renderAt("/billing?top_up=tu_1");
    expect(await screen.findByText("Your card was declined.")).toBeTruthy();
  });

  test("takes money in the wallet's currency, in its round amounts", async () => {
    world.wallet = like(world.wallet, { currency: "JPY" });
    const { user } = renderAt("/billing");
    await user.click(await screen.findByRole("button", { name: "Add funds" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Add funds" }));
    await user.click(dialog.getByRole("button", { name: "Continue to payment" }));
    await waitFor(() => expect(asked("post", "/api/v1/top-ups")[0]?.body).toMatchObject({ amount: "2000", currency: "JPY" }));
  });

  test("does not send an amount that is none", async () => {
    const { user } = renderAt("/billing");
    await user.click(await screen.findByRole("button", { name: "Add funds" }));
    const dialog = await screen.findByRole("dialog", { name: "Add funds" });
    await user.click(within(dialog).getByRole("radio", { name: "Another amount" }));
    await user.type(within(dialog).getByLabelText("Amount in USD"), "1e3");
    await user.click(within(dialog).getByRole("button", { name: "Continue to payment" }));
    await waitFor(() => expect(within(dialog).getByText(/Enter an amount/)).toBeTruthy());
    expect(asked("post", "/api/v1/top-ups")).toEqual([]);
  });
});
