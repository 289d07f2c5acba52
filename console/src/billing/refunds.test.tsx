import { screen, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { like, mayNot, usd } from "~mock/fixtures/common";
import { payment, refund, refundRequest } from "~mock/fixtures/money";
import { world } from "~mock/world";

beforeEach(() => {
  world.payments = [like(payment)];
});

async function form() {
  const { user } = renderAt("/billing?view=refunds");
  await user.click(await screen.findByRole("button", { name: "Ask for a refund of tu_4" }));
  return { user, dialog: within(await screen.findByRole("dialog", { name: "Ask for a refund" })) };
}

describe("a refund", () => {
  test("is asked for with an amount and why, once, and can be withdrawn", async () => {
    const { user, dialog } = await form();
    expect(dialog.getByText("Up to $34.75 of this payment can go back.")).toBeTruthy();
    await user.type(dialog.getByLabelText("Amount, in USD"), "10");
    await user.type(dialog.getByLabelText("Why"), "twice");
    await user.click(dialog.getByRole("button", { name: "Ask for it" }));
    await user.click(await screen.findByRole("button", { name: "Withdraw the request for $10.00" }));
    const [sent] = asked("post", "/api/v1/refund-requests");
    expect(sent?.body).toEqual({ top_up_id: "tu_4", amount: "10", reason: "twice" });
    expect(sent?.key).toHaveLength(32);
    await user.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Withdraw" }));
    expect(await screen.findByText("Withdrawn")).toBeTruthy();
  });

  test("is not asked for without an amount and a reason", async () => {
    const { user, dialog } = await form();
    await user.click(dialog.getByRole("button", { name: "Ask for it" }));
    expect(await dialog.findByText(/Enter an amount/)).toBeTruthy();
    expect(dialog.getByText(/Say why/)).toBeTruthy();
    expect(asked("post", "/api/v1/refund-requests")).toEqual([]);
  });

  test("of what is spent is not offered, and the reason stands beside it", async () => {
    world.payments = [like(payment, { actions: mayNot("Nothing is left of it.", "request_refund") })];
    renderAt("/billing?view=refunds");
    const button = await screen.findByRole("button", { name: "Ask for a refund of tu_4" });
    expect(button.getAttribute("aria-disabled")).toBe("true");
    expect(screen.getByText("Nothing is left of it.")).toBeTruthy();
  });

  test("that is refused says why, in its form", async () => {
    refuses("post", "/api/v1/refund-requests", 409, "refund_already_requested");
    const { user, dialog } = await form();
    await user.type(dialog.getByLabelText("Amount, in USD"), "10");
    await user.type(dialog.getByLabelText("Why"), "twice");
    await user.click(dialog.getByRole("button", { name: "Ask for it" }));
    expect(await dialog.findByRole("alert")).toBeTruthy();
  });

  test("is told with its answer, and with what became of the money", async () => {
    world.refundRequests = [like(refundRequest, { state: "declined", decision: "It ran for you." })];
    world.refunds = [like(refund, { state: "failed" }), like(refund, { id: "rf_2", state: "succeeded", owed: usd("4.20") })];
    renderAt("/billing?view=refunds");
    expect(await screen.findByText("Answer: It ran for you.")).toBeTruthy();
    expect(await screen.findByText("The card did not take it. The money is back in your balance.")).toBeTruthy();
    expect(screen.getByText("$4.20 of it was spent already, and is owed.")).toBeTruthy();
    expect(screen.queryByRole("button", { name: /Withdraw/ })).toBeNull();
  });
});
