import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { like, may, mayNot, usd } from "~mock/fixtures/common";
import { customer, grant, promoCode } from "~mock/fixtures/money";
import { askApproval } from "~mock/handlers/operators";
import { world } from "~mock/world";

beforeEach(() => {
  world.me.platform_roles = ["finance"];
  world.customers = [like(customer), like(customer, { id: "org_2", name: "Turing and sons" })];
});

const row = async (code: string) => within((await screen.findByText(code)).closest("tr") as HTMLElement);

async function open(button: string, title: string) {
  const { user } = renderAt("/operator/money/credits");
  await user.click(await screen.findByRole("button", { name: button }));
  return { user, dialog: within(await screen.findByRole("dialog", { name: title })) };
}

describe("the budget", () => {
  test("says what one operator can still give alone this month", async () => {
    renderAt("/operator/money/credits");
    expect((await screen.findByText("Left to give alone")).nextElementSibling?.textContent).toBe("$60.00");
    expect(screen.getByText("In all").nextElementSibling?.textContent).toBe("$100.00");
  });

  test("that cannot be read stands in the way of no code", async () => {
    world.promoCodes = [like(promoCode)];
    refuses("get", "/api/v1/admin/credit-budget");
    renderAt("/operator/money/credits");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(await screen.findByText("SPRING-7Q4M-X2")).toBeTruthy();
  });
});

describe("a promo code", () => {
  test("is made with what it gives, how often, for how long, and until when its credit lasts", async () => {
    const { user, dialog } = await open("Make a code", "Make a promo code");
    expect(dialog.getByText("$60.00 is left of this month's budget. What is more takes a second person.")).toBeTruthy();
    await user.type(dialog.getByLabelText("Code"), "autumn-7q4m-x2");
    await user.type(dialog.getByLabelText("Each redemption gives"), "5.00");
    await user.type(dialog.getByLabelText("Organizations that may redeem it"), "10");
    await user.type(dialog.getByLabelText("Can be redeemed for, in days"), "7");
    await user.type(dialog.getByLabelText("Why"), "A fair");
    await user.click(dialog.getByRole("button", { name: "Make the code" }));
    expect(await dialog.findByText("Enter a whole number.")).toBeTruthy();
    expect(asked("post", "/api/v1/admin/promo-codes")).toEqual([]);
    await user.type(dialog.getByLabelText("Days until it expires"), "30");
    await user.click(dialog.getByRole("button", { name: "Make the code" }));
    expect(await screen.findByText("AUTUMN-7Q4M-X2")).toBeTruthy();
    expect(asked("post", "/api/v1/admin/promo-codes")[0]?.body).toEqual({ code: "AUTUMN-7Q4M-X2", amount: "5.00", currency: "USD", most_uses: 10, days: 7, valid_days: 30, reason: "A fair" });
  });

  test("is shown with its uses, and why it is over", async () => {
    world.promoCodes = [
      like(promoCode),
      like(promoCode, { id: "prm_2", code: "ENDED-7Q4M", is_over: true, ended_at: "2026-01-02T00:00:00Z" }),
      like(promoCode, { id: "prm_3", code: "SPENT-7Q4M", is_over: true, uses: 100, valid_days: null }),
    ];
    renderAt("/operator/money/credits");
    expect((await row("SPRING-7Q4M-X2")).getByText("3 of 100")).toBeTruthy();
    expect((await row("ENDED-7Q4M")).getByText("Ended")).toBeTruthy();
    expect((await row("SPENT-7Q4M")).getByText("Over")).toBeTruthy();
    expect(screen.getAllByRole("button", { name: /^End / })).toHaveLength(1);
  });

  test("is ended once that was confirmed, and those who have its credit keep it", async () => {
    world.promoCodes = [like(promoCode)];
    const { user } = renderAt("/operator/money/credits");
    await user.click(await screen.findByRole("button", { name: "End SPRING-7Q4M-X2" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    expect(dialog.getByText("Those who have redeemed it (3) keep their $5.00.")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "End" }));
    expect(await screen.findByText("Ended")).toBeTruthy();
  });

  test("is not ended by who may only look, who reads why", async () => {
    world.promoCodes = [like(promoCode, { actions: mayNot("This needs the platform role finance or admin.", "end") })];
    const { user } = renderAt("/operator/money/credits");
    await user.click(await screen.findByRole("button", { name: "End SPRING-7Q4M-X2" }));
    expect(screen.getByText("This needs the platform role finance or admin.")).toBeTruthy();
    expect(screen.queryByRole("alertdialog")).toBeNull();
  });
});

describe("credit", () => {
  test("is given to a customer that is chosen, and may last for ever", async () => {
    const { user, dialog } = await open("Give credit", "Give a customer credit");
    await user.type(dialog.getByLabelText("Amount"), "5.00");
    await user.type(dialog.getByLabelText("Why"), "Sorry");
    await user.click(dialog.getByRole("radio", { name: "Never" }));
    await user.click(dialog.getByRole("button", { name: "Give credit" }));
    expect(await dialog.findByText("Choose a customer.")).toBeTruthy();
    await user.selectOptions(dialog.getByLabelText("Customer"), "org_2");
    expect(dialog.getByText("sublet admin grant org_2 5.00 --currency USD --expires-after never --reason Sorry")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Give credit" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    const [sent] = asked("post", "/api/v1/admin/credits");
    expect([sent?.body, sent?.key?.length]).toEqual([{ organization_id: "org_2", amount: "5.00", currency: "USD", valid_days: null, reason: "Sorry" }, 32]);
    expect(await screen.findByText("Sorry")).toBeTruthy();
  });

  test("beyond the budget waits for a second person, and nothing was given", async () => {
    const { user, dialog } = await open("Give credit", "Give a customer credit");
    await user.selectOptions(dialog.getByLabelText("Customer"), await dialog.findByRole("option", { name: /^Ada/ }));
    await user.type(dialog.getByLabelText("Amount"), "500.00");
    await user.type(dialog.getByLabelText("Days until it expires"), "30");
    await user.type(dialog.getByLabelText("Why"), "Sorry");
    await user.click(dialog.getByRole("button", { name: "Give credit" }));
    expect(await dialog.findByText("Somebody else has to approve it first")).toBeTruthy();
    expect(world.grants).toEqual([]);
  });

  test("that was given is looked for by customer, in the address, beside the same codes", async () => {
    world.promoCodes = [like(promoCode)];
    world.grants = [like(grant), like(grant, { id: "crg_2", organization_id: "org_2", reason: "An outage" })];
    const { user, router } = renderAt("/operator/money/credits?given=1");
    await user.selectOptions(await screen.findByLabelText("Customer"), await screen.findByRole("option", { name: /^Turing/ }));
    expect(router.state.location.search).toBe("?organization=org_2");
    expect(await screen.findByText("An outage")).toBeTruthy();
    await waitFor(() => expect(screen.queryByText("Welcome")).toBeNull());
    expect(screen.getByText("SPRING-7Q4M-X2")).toBeTruthy();
  });

  test("is asked of a second person with what it means", async () => {
    const amount = usd("500.00");
    const known = { act: "promo_code.create", subject: "AUTUMN-7Q4M-X2", parameters: { amount, most_uses: 40 }, reason: "A fair" };
    world.approvals = [like(askApproval(known), { actions: may("approve", "reject") })];
    const { user } = renderAt("/operator/approvals");
    await user.click(await screen.findByRole("button", { name: /^Approve: Make a promo code/ }));
    expect(await screen.findByText("Whoever knows the code takes $500.00 of credit, each organization once, 40 at most.")).toBeTruthy();
  });
});
