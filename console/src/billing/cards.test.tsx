import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { autoTopUp, cardSetup, savedCard, topUp } from "~mock/fixtures/billing";
import { like, may, mayNot, usd } from "~mock/fixtures/common";
import { world } from "~mock/world";

const second = like(savedCard, { id: "card_2", brand: "mastercard", last4: "4444", is_default: false, actions: may("make_default", "remove") });

describe("cards", () => {
  test("says that there is none, and offers to save one", async () => {
    const { user } = renderAt("/billing?view=cards");
    expect(await screen.findByText("No card yet")).toBeTruthy();
    await user.click(await screen.findByRole("button", { name: "Save a card" }));
    await waitFor(() => expect(asked("post", "/api/v1/payment-methods")[0]?.body).toEqual({ return_path: "/billing" }));
  });

  test("makes another one the default", async () => {
    world.cards = [second, like(savedCard)];
    const { user } = renderAt("/billing?view=cards");
    await user.click(await screen.findByRole("button", { name: "Make the card ending in 4444 the default" }));
    await waitFor(() => expect(world.cards.find(({ is_default }) => is_default)?.id).toBe("card_2"));
  });

  test("asks before it removes the default, and says what waits then", async () => {
    world.cards = [like(savedCard)];
    const { user } = renderAt("/billing?view=cards");
    await user.click(await screen.findByRole("button", { name: "Remove the card ending in 4242" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    expect(dialog.getByText(/auto top-up waits until another card is/)).toBeTruthy();
    expect(world.cards).toHaveLength(1);
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    await waitFor(() => expect(world.cards).toHaveLength(0));
  });

  test("tells what became of saving one", async () => {
    world.cardSetups = [like(cardSetup)];
    renderAt("/billing?view=cards&card_setup=su_1");
    expect(await screen.findByText("Card saved")).toBeTruthy();
    expect(await screen.findByText("visa ending in 4242")).toBeTruthy();
  });

  test("shows cards that cannot be read as failed, beside an auto top-up that can", async () => {
    refuses("get", "/api/v1/payment-methods");
    renderAt("/billing?view=cards");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(await screen.findByText("Nothing is charged by itself.")).toBeTruthy();
  });
});

describe("auto top-up", () => {
  test("is turned on with its three bounds", async () => {
    const { user } = renderAt("/billing?view=cards");
    await user.click(await screen.findByRole("button", { name: "Turn on" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Auto top-up" }));
    await user.type(dialog.getByLabelText(/Top up when funds are below/), "10.00");
    await user.type(dialog.getByLabelText("Amount, in USD"), "20.00");
    await user.type(dialog.getByLabelText(/Never more in a month/), "200.00");
    expect(dialog.getByText("sublet auto-topup set --below 10.00 --amount 20.00 --cap 200.00")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(asked("patch", "/api/v1/auto-top-up")[0]?.body).toEqual({ currency: "USD", threshold: "10.00", amount: "20.00", monthly_cap: "200.00" }));
    expect(await screen.findByText("Your funds are at or above the threshold.")).toBeTruthy();
  });

  test("says why it cannot be turned on", async () => {
    world.autoTopUp = like(autoTopUp, { actions: mayNot("Your organization has no default card that auto top-up could charge.", "set", "turn_off") });
    renderAt("/billing?view=cards");
    expect(await screen.findByText(/no default card that auto top-up could charge/)).toBeTruthy();
  });

  test("says that it has stopped, and what to do", async () => {
    const bounds = { threshold: usd("10.00"), amount: usd("20.00"), monthly_cap: usd("200.00"), charged_this_month: usd("0.00") };
    world.autoTopUp = like(autoTopUp, { ...bounds, enabled: true, standing: "stopped", declines: 3, actions: may("set", "turn_off") });
    renderAt("/billing?view=cards");
    expect(await screen.findByText("Stopped")).toBeTruthy();
    expect(screen.getByText(/Choose another card and set auto top-up again/)).toBeTruthy();
  });
});

describe("a payment that waits for the card's holder", () => {
  test("leads to the bank, and says nothing of success before", async () => {
    world.topUps = [like(topUp, { purpose: "auto_top_up", state: "needs_action", actions: may("confirm") })];
    const { user } = renderAt("/billing?top_up=tu_1");
    expect(await screen.findByText("Your bank asks you to confirm")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Confirm with your bank" }));
    await waitFor(() => expect(asked("post", "/api/v1/top-ups/{top_up_id}/confirm")).toHaveLength(1));
  });

  test("offers a receipt once the money is there", async () => {
    world.topUps = [like(topUp, { state: "succeeded" })];
    renderAt("/billing?top_up=tu_1");
    expect((await screen.findByRole("link", { name: "Receipt" })).getAttribute("href")).toBe("/api/v1/top-ups/tu_1/receipt");
  });
});
