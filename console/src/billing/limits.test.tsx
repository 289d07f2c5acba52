import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { credit, spendingLimit, wallet } from "~mock/fixtures/billing";
import { allocation } from "~mock/fixtures/allocations";
import { like, mayNot, usd } from "~mock/fixtures/common";
import { promoCode } from "~mock/fixtures/money";
import { world } from "~mock/world";

const reached = like(spendingLimit, { spent: usd("20.00"), left: usd("0.00"), reached: true, suspended: [{ id: "al_7", name: "train-resnet" }] });

const row = async (words: string) => within((await screen.findByText(words)).closest("tr") as HTMLElement);

describe("spending limits", () => {
  test("say that there is none, and one of a day is set", async () => {
    const { user } = renderAt("/billing?view=limits");
    expect(await screen.findByText("No limit yet")).toBeTruthy();
    await user.click(await screen.findByRole("button", { name: "Set a limit" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Set a spending limit" }));
    await user.type(dialog.getByLabelText("At most, in USD"), "25.00");
    expect(dialog.getByText("sublet limit set 25.00 --per day")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Set the limit" }));
    expect(await screen.findByText("A day")).toBeTruthy();
    expect(asked("patch", "/api/v1/spending-limits/{limit_id}")[0]?.body).toEqual({ amount: "25.00", currency: "USD" });
  });

  test("of one allocation need to be told which, and are in its currency", async () => {
    const rate = { amount: "2.40", currency: "EUR", per: "hour" };
    world.allocations = [like(allocation, { id: "al_7", name: "train-resnet", cost: like(allocation.cost, { rate }) })];
    const { user } = renderAt("/billing?view=limits");
    await user.click(await screen.findByRole("button", { name: "Set a limit" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(dialog.getByRole("radio", { name: "On one allocation" }));
    await user.type(dialog.getByLabelText("At most, in USD"), "5");
    await user.click(dialog.getByRole("button", { name: "Set the limit" }));
    expect(await dialog.findByText("Choose an allocation first.")).toBeTruthy();
    expect(asked("patch", "/api/v1/spending-limits/{limit_id}")).toEqual([]);
    await user.selectOptions(dialog.getByLabelText("Allocation"), await dialog.findByRole("option", { name: "train-resnet" }));
    expect(dialog.getByText("sublet limit set 5 --for train-resnet")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Set the limit" }));
    await waitFor(() => expect(asked("patch", "/api/v1/spending-limits/{limit_id}")[0]?.body).toEqual({ amount: "5", currency: "EUR" }));
    expect(world.spendingLimits.map(({ id }) => id)).toEqual(["al_7"]);
  });

  test("that is reached names what it suspended, and what lets that go on", async () => {
    world.spendingLimits = [reached, like(spendingLimit, { id: "month", scope: "month" })];
    renderAt("/billing?view=limits");
    const day = await row("A day");
    expect(day.getByText("Reached")).toBeTruthy();
    expect(day.getByRole("link", { name: "train-resnet" }).getAttribute("href")).toBe("/allocations/al_7");
    expect(day.getByText(/or when the next day begins/)).toBeTruthy();
    const other = await row("A month");
    expect(other.getByText("Within")).toBeTruthy();
    expect(other.queryByText(/Resumes by itself/)).toBeNull();
  });

  test("that is reached and has suspended nothing says what cannot start, and no word of resuming", async () => {
    world.spendingLimits = [like(reached, { suspended: [] })];
    renderAt("/billing?view=limits");
    expect((await row("A day")).getByText(/^Nothing starts until you raise or clear the limit/)).toBeTruthy();
    expect(screen.queryByText(/Resumes by itself/)).toBeNull();
  });

  test("is raised where it stands", async () => {
    world.spendingLimits = [reached];
    const { user } = renderAt("/billing?view=limits");
    await user.click(await screen.findByRole("button", { name: "Change the limit: A day" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Change the limit: A day" }));
    expect(dialog.queryByRole("radio")).toBeNull();
    const amount = dialog.getByLabelText<HTMLInputElement>("At most, in USD");
    expect(amount.value).toBe("20.00");
    await user.clear(amount);
    await user.type(amount, "50.00");
    await user.click(dialog.getByRole("button", { name: "Set the limit" }));
    expect(await screen.findByText("Within")).toBeTruthy();
  });

  test("is cleared once that was confirmed, which names what resumes", async () => {
    world.spendingLimits = [reached];
    const { user } = renderAt("/billing?view=limits");
    await user.click(await screen.findByRole("button", { name: "Clear the limit: A day" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    expect(dialog.getByText(/^train-resnet resumes by itself/)).toBeTruthy();
    expect(world.spendingLimits).toHaveLength(1);
    await user.click(dialog.getByRole("button", { name: "Clear" }));
    expect(await screen.findByText("No limit yet")).toBeTruthy();
  });

  test("that somebody may not change say why", async () => {
    const denied = mayNot("Only owners, admins and billing members of the organization may change spending limits.", "set", "clear");
    world.spendingLimits = [like(spendingLimit, { actions: denied })];
    const { user } = renderAt("/billing?view=limits");
    const change = await screen.findByRole("button", { name: "Change the limit: A day" });
    expect(change.getAttribute("aria-disabled")).toBe("true");
    await user.click(change);
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  test("that cannot be read are no empty list", async () => {
    refuses("get", "/api/v1/spending-limits");
    renderAt("/billing?view=limits");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.queryByText("No limit yet")).toBeNull();
  });
});

describe("credits", () => {
  test("say what is left of each, until when, and what expired", async () => {
    world.credits = [like(credit), like(credit, { id: "2", reason: "A talk", left: usd("0.00"), expired: usd("1.20") }), like(credit, { id: "3", reason: "A fair", left: usd("0.00"), expires_at: null })];
    renderAt("/billing?view=credits");
    expect((await row("Welcome")).getByText("To spend")).toBeTruthy();
    expect((await row("Welcome")).getByText("$3.00")).toBeTruthy();
    expect((await row("A talk")).getByText("$1.20 of it expired.")).toBeTruthy();
    expect((await row("A fair")).getByText("Spent")).toBeTruthy();
    expect((await row("A fair")).getByText("Does not expire")).toBeTruthy();
  });

  test("are redeemed with a code, once", async () => {
    world.promoCodes = [like(promoCode)];
    const { user } = renderAt("/billing?view=credits");
    expect(await screen.findByText("No credit yet")).toBeTruthy();
    await user.click(await screen.findByRole("button", { name: "Redeem a code" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Redeem a code" }));
    await user.type(dialog.getByLabelText("Code"), "nothing");
    await user.click(dialog.getByRole("button", { name: "Redeem" }));
    expect(await dialog.findByText(/Nothing was given/)).toBeTruthy();
    await user.clear(dialog.getByLabelText("Code"));
    await user.type(dialog.getByLabelText("Code"), "spring-7q4m-x2");
    await user.click(dialog.getByRole("button", { name: "Redeem" }));
    expect(await screen.findByText("$5.00 of credit added")).toBeTruthy();
    expect(await screen.findByText("Promo code SPRING-7Q4M-X2")).toBeTruthy();
    expect(asked("post", "/api/v1/promo-codes/redeem").at(-1)?.key).toHaveLength(32);
  });

  test("stand on billing's own page with what expires next", async () => {
    world.wallet = like(wallet, { promo: usd("5.00"), credit_expires: { amount: usd("3.00"), at: "2099-02-01T00:00:00Z" } });
    renderAt("/billing");
    const figure = (await screen.findByText("Of this, credit")).nextElementSibling as HTMLElement;
    expect(figure.textContent).toMatch(/^\$5\.00\$3\.00 until /);
    expect(figure.querySelector('time[datetime="2099-02-01T00:00:00Z"]')).toBeTruthy();
  });
});
