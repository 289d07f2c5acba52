import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { like, usd } from "~mock/fixtures/common";
import { finding, payout, payoutTransaction } from "~mock/fixtures/money";
import { world } from "~mock/world";

beforeEach(() => {
  world.me.platform_roles = ["finance"];
  world.payouts = [like(payout), like(payout, { id: "po_2", state: "failed", failure: "account_closed", off_by: usd("5.00") })];
  world.payoutTransactions = [like(payoutTransaction), like(payoutTransaction, { id: "txn_2", whose: "suspense" })];
});

const row = async (words: string) => within((await screen.findByText(words)).closest("tr") as HTMLElement);

describe("payouts", () => {
  test("say where each stands, what the bank said, and how far it does not add up", async () => {
    renderAt("/operator/money/payouts");
    expect((await row("po_1")).getByText("Arrived")).toBeTruthy();
    const failed = await row("po_2");
    expect(failed.getByText("The bank says account closed.")).toBeTruthy();
    expect(failed.getByText("+$5.00")).toBeTruthy();
  });

  test("are looked for by their state, in the address", async () => {
    const { user, router } = renderAt("/operator/money/payouts");
    await user.selectOptions(await screen.findByLabelText("State"), "Failed");
    expect(router.state.location.search).toBe("?state=failed");
    await waitFor(() => expect(screen.queryByText("po_1")).toBeNull());
    expect(asked("get", "/api/v1/admin/payouts").at(-1)?.query.get("state")).toBe("failed");
  });

  test("of which none is in a state are not told as none at all", async () => {
    renderAt("/operator/money/payouts?state=canceled");
    expect(await screen.findByText("Nothing here is like that.")).toBeTruthy();
    expect(screen.queryByText("No payout yet")).toBeNull();
  });

  test("that there are none of are told as such, and those that cannot be read are not", async () => {
    world.payouts = [];
    renderAt("/operator/money/payouts");
    expect(await screen.findByText("No payout yet")).toBeTruthy();
  });

  test("that cannot be read are no empty list", async () => {
    refuses("get", "/api/v1/admin/payouts");
    renderAt("/operator/money/payouts");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.queryByText("No payout yet")).toBeNull();
  });

  test("that came back stand on the overview", async () => {
    renderAt("/operator/money");
    expect(await row("po_2")).toBeTruthy();
    expect(screen.queryByText("po_1")).toBeNull();
  });
});

describe("one payout", () => {
  test("shows what left, what it is made of, what became of it, and what was found about it", async () => {
    world.findings = [like(finding, { code: "payments.payout_total", severity: "error", subject: { type: "payout", id: "po_1" } }), like(finding, { id: "fnd_2", severity: "error", code: "books.other" })];
    renderAt("/operator/money/payouts/po_1");
    expect((await screen.findByText("Left the balance")).nextElementSibling?.textContent).toBe("$19.12");
    expect(screen.getByText(/the processor says paid/)).toBeTruthy();
    expect((await row("txn_1QvT")).getByText("$0.88")).toBeTruthy();
    expect((await row("txn_2")).getByText("Not explained: in suspense")).toBeTruthy();
    expect(await screen.findByText("payments.payout_total")).toBeTruthy();
    expect(screen.queryByText("books.other")).toBeNull();
    expect(screen.queryByText("It does not add up")).toBeNull();
  });

  test("that does not add up says so, and by how much", async () => {
    renderAt("/operator/money/payouts/po_2");
    expect(await screen.findByText("It does not add up")).toBeTruthy();
    expect(screen.getByText("+$5.00")).toBeTruthy();
  });

  test("of which nothing is known yet says that it is not known, not that it is nothing", async () => {
    world.payouts = [like(payout, { left: null, made_of: null })];
    world.payoutTransactions = [];
    renderAt("/operator/money/payouts/po_1");
    expect((await screen.findByText("Left the balance")).nextElementSibling?.textContent).toBe("Not known");
    expect(await screen.findByText(/^It is not known what it is made of/)).toBeTruthy();
  });
});
