import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { like, may, mayNot, usd } from "~mock/fixtures/common";
import { customer, dispute, evidence, finding, lines, month, payment, refundRequest, revenue, statement, unmetered } from "~mock/fixtures/money";
import { world } from "~mock/world";

beforeEach(() => {
  world.me.platform_roles = ["finance"];
  world.customers = [like(customer)];
  world.payments = [like(payment)];
  world.refundRequests = [like(refundRequest)];
});

const row = async (words: string) => (await screen.findByText(words)).closest("tr") as HTMLElement;

async function decide(name: string) {
  const { user } = renderAt("/operator/money/requests");
  await user.click(await screen.findByRole("button", { name: `${name} rrq_1` }));
  return { user, dialog: within(await screen.findByRole("dialog")) };
}

describe("a refund request", () => {
  test("shows who asks and why, and what of the payment can go back, before it is granted", async () => {
    const { user, dialog } = await decide("Grant");
    expect((await screen.findAllByText("Ada's lab")).length).toBeGreaterThan(0);
    expect((await dialog.findByText("Can go back")).nextElementSibling?.textContent).toBe("$34.75");
    await user.click(dialog.getByRole("button", { name: "Grant" }));
    expect(await dialog.findByText(/Write what the customer reads/)).toBeTruthy();
    await user.type(dialog.getByLabelText("What the customer reads"), "Of course");
    await user.click(dialog.getByRole("button", { name: "Grant" }));
    expect(await screen.findByText("Answer: Of course")).toBeTruthy();
    expect(screen.queryByRole("dialog")).toBeNull();
    expect(asked("post", "/api/v1/admin/refund-requests/{request_id}/grant")[0]?.body).toEqual({ decision: "Of course" });
  });

  test("of much waits for a second person, and says that no money has moved", async () => {
    world.refundRequests = [like(refundRequest, { amount: usd("600.00") })];
    const { user, dialog } = await decide("Grant");
    await user.type(dialog.getByLabelText("What the customer reads"), "Of course");
    await user.click(dialog.getByRole("button", { name: "Grant" }));
    expect(await dialog.findByText("Somebody else has to approve it first")).toBeTruthy();
    expect(dialog.getByRole("link", { name: "Open approvals" }).getAttribute("href")).toBe("/operator/approvals");
    expect(world.refunds).toEqual([]);
  });

  test("is declined with an answer", async () => {
    const { user, dialog } = await decide("Decline");
    await user.type(dialog.getByLabelText("What the customer reads"), "It ran for you");
    await user.click(dialog.getByRole("button", { name: "Decline" }));
    expect(await screen.findByText("Declined")).toBeTruthy();
    expect(asked("post", "/api/v1/admin/refund-requests/{request_id}/grant")).toEqual([]);
  });

  test("that cannot be granted says why, beside the button", async () => {
    world.refundRequests = [like(refundRequest, { actions: [...mayNot("All of it is spent.", "grant"), ...may("decline")] })];
    renderAt("/operator/money/requests");
    expect(await screen.findByText("All of it is spent.")).toBeTruthy();
  });

  test("is looked for by its state, in the address", async () => {
    const { user, router } = renderAt("/operator/money/requests?cursor=1");
    await user.selectOptions(await screen.findByLabelText("State"), "Declined");
    expect(router.state.location.search).toBe("?state=declined");
    await waitFor(() => expect(asked("get", "/api/v1/admin/refund-requests").at(-1)?.query.get("state")).toBe("declined"));
  });
});

describe("payments", () => {
  test("are those of a customer that is chosen", async () => {
    const { user } = renderAt("/operator/money/payments");
    expect(await screen.findByText("Whose payments?")).toBeTruthy();
    expect(asked("get", "/api/v1/admin/payments")).toEqual([]);
    await user.selectOptions(await screen.findByLabelText("Customer"), "org_1");
    expect(await row("tu_4")).toBeTruthy();
  });

  test("are refunded to the card once the amount and the reason are there", async () => {
    const { user } = renderAt("/operator/money/payments?organization=org_1");
    await user.click(await screen.findByRole("button", { name: "Refund tu_4" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("Amount, in USD"), "10.00");
    await user.type(dialog.getByLabelText("Why"), "twice");
    await user.click(dialog.getByRole("button", { name: "Refund to the card" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    const [sent] = asked("post", "/api/v1/admin/refunds");
    expect([sent?.body, sent?.key?.length]).toEqual([{ top_up_id: "tu_4", amount: "10.00", reason: "twice" }, 32]);
  });

  test("have nothing to do with an adjustment, which names its currency", async () => {
    const { user } = renderAt("/operator/money/payments?organization=org_1");
    await user.click(await screen.findByRole("button", { name: "Adjust" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(dialog.getByRole("radio", { name: "Take" }));
    await user.type(dialog.getByLabelText("Amount, in Currency"), "5");
    await user.type(dialog.getByLabelText("Why"), "by mistake");
    await user.click(dialog.getByRole("button", { name: "Adjust" }));
    expect(await dialog.findByText("Enter a currency such as USD.")).toBeTruthy();
    await user.type(dialog.getByLabelText("Currency"), "USD");
    await user.click(dialog.getByRole("button", { name: "Adjust" }));
    await waitFor(() => expect(asked("post", "/api/v1/admin/adjustments")[0]?.body).toMatchObject({ direction: "take", currency: "USD" }));
    expect(asked("post", "/api/v1/admin/refunds")).toEqual([]);
  });
});

describe("a dispute", () => {
  test("says by when the bank waits for an answer, while it does", async () => {
    world.disputes = [like(dispute), like(dispute, { id: "dsp_2", state: "lost", charged: usd("50.00"), owed: usd("15.25"), taken: usd("0.00") })];
    renderAt("/operator/money/disputes");
    const open = await row("dsp_1");
    expect(open.querySelector('time[datetime="2026-01-10T00:00:00Z"]')).toBeTruthy();
    const lost = await row("dsp_2");
    expect(lost.querySelector('time[datetime="2026-01-10T00:00:00Z"]')).toBeNull();
    expect(within(lost).getByText("$15.25 of that is owed.")).toBeTruthy();
  });
});

describe("a finding", () => {
  test("shows its money, and is resolved with how it was settled", async () => {
    world.findings = [like(finding, { severity: "error" })];
    const { user } = renderAt("/operator/money/findings");
    const found = await row("ledger.balance_drift");
    expect(found.querySelector('data[value="52.05"]')).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Resolve ledger.balance_drift of acc_12" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(dialog.getByRole("button", { name: "Resolve" }));
    expect(await dialog.findByText(/Say how/)).toBeTruthy();
    await user.type(dialog.getByLabelText("How it was settled"), "posted anew");
    await user.click(dialog.getByRole("button", { name: "Resolve" }));
    expect(await screen.findByText("Nothing is found")).toBeTruthy();
  });

  test("that is critical stands on every operator page, and only there", async () => {
    world.findings = [like(finding)];
    renderAt("/operator/nodes");
    expect(await screen.findByText("Something critical is found: ledger.balance_drift")).toBeTruthy();
    expect(screen.getByRole("link", { name: "Open findings" }).getAttribute("href")).toBe("/operator/money/findings?severity=critical");
  });

  test("that is less bad, or that somebody may not read, does not", async () => {
    world.findings = [like(finding, { severity: "error" })];
    renderAt("/operator/nodes");
    await screen.findByRole("heading", { name: "Nodes" });
    expect(screen.queryByText(/Something critical/)).toBeNull();
  });

  test("that cannot be read fails no page", async () => {
    refuses("get", "/api/v1/admin/findings", 403, "permission_denied");
    renderAt("/operator/nodes");
    expect(await screen.findByText("No node yet")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });
});

describe("a month", () => {
  beforeEach(() => {
    world.months = [like(month, { month: "2026-10", actions: may("close") })];
    world.monthLines = structuredClone(lines);
  });

  test("is closed once that was confirmed", async () => {
    const { user } = renderAt("/operator/money/months");
    await user.click(await screen.findByRole("button", { name: "Close 2026-10" }));
    expect(asked("post", "/api/v1/admin/months/{month}/close")).toEqual([]);
    await user.click(within(await screen.findByRole("alertdialog")).getByRole("button", { name: "Close the month" }));
    expect(await screen.findByText("Closed", { selector: "span" })).toBeTruthy();
  });

  test("that is not over says why it cannot be closed", async () => {
    world.months = [like(month)];
    renderAt("/operator/money/months");
    expect(await screen.findByText(/2026-01 is not over/)).toBeTruthy();
  });

  test("shows what each account came to, to the last digit, and goes into a file", async () => {
    renderAt("/operator/money/months/2026-10");
    const line = await row("revenue compute");
    expect(line.querySelector('data[value="1352.410227"]')?.textContent).toBe("$1,352.410227");
    expect(screen.getByRole("link", { name: "Download CSV: 2026-10" }).getAttribute("href")).toBe("/api/v1/admin/months/2026-10?format=csv");
  });
});

describe("reports", () => {
  test("are of the present month until another is asked for", async () => {
    world.months = [like(month)];
    world.revenue = like(revenue);
    world.unmetered = like(unmetered);
    const { user } = renderAt("/operator/money/reports");
    expect(await row("sku_1")).toBeTruthy();
    const [first] = asked("get", "/api/v1/admin/reports/revenue");
    expect([first?.query.get("first"), first?.query.get("last")]).toEqual(["2026-01", "2026-01"]);
    expect(asked("get", "/api/v1/admin/reports/unmetered")[0]?.query.get("since")).toBe("2026-01-01T00:00:00Z");
    const form = within(screen.getByRole("form", { name: "Revenue by SKU, node and month" }));
    await user.type(form.getByLabelText("First month"), "2025-11");
    await user.click(form.getByRole("button", { name: "Show" }));
    await waitFor(() => expect(asked("get", "/api/v1/admin/reports/revenue").at(-1)?.query.get("first")).toBe("2025-11"));
  });

  test("of a customer are asked for with a time, and name the closed month that a line corrects", async () => {
    world.statement = like(statement);
    const { user } = renderAt("/operator/money/ledger?organization=org_1");
    expect(await screen.findByText("Whose accounts?")).toBeTruthy();
    await user.type(screen.getByLabelText("Currency"), "USD");
    await user.type(screen.getByLabelText("From"), "2026-01-01T00:00");
    await user.click(screen.getByRole("button", { name: "Show" }));
    expect(await screen.findByText(/corrects 2025-12/)).toBeTruthy();
    expect(asked("get", "/api/v1/admin/reports/statement")[0]?.query.get("since")).toMatch(/^20\d\d-\d\d-\d\dT.*Z$/);
    expect(screen.getByRole("link", { name: /^Download CSV/ }).getAttribute("href")).toContain("format=csv");
  });
});

test("a dispute shows what speaks for its payment, and sends it to the bank with what the operator adds", async () => {
  world.me.platform_roles = ["finance"];
  world.disputes = [{ ...dispute, id: "dsp_7" }];
  const { user } = renderAt("/operator/money/disputes");
  await user.click(await screen.findByRole("button", { name: "Evidence of dsp_7" }));
  expect(await screen.findByText("uncategorized text")).toBeTruthy();
  for (const sent of Object.values(evidence.fields)) expect(screen.getByText(sent, { normalizer: (shown) => shown })).toBeTruthy();
  await user.type(screen.getByLabelText(/In your own words/), "She used it.");
  await user.click(screen.getByRole("button", { name: "Send to the bank" }));
  expect(await screen.findByText(/Answered by Ada/)).toBeTruthy();
  expect(asked("post", "/api/v1/admin/disputes/{dispute_id}/evidence").map(({ body }) => body)).toEqual([{ note: "She used it." }]);
});
