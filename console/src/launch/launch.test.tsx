import { act, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses, server } from "~/testing/server";
import { topUp } from "~mock/fixtures/billing";
import { offer, refused } from "~mock/fixtures/catalog";
import { like, perHour } from "~mock/fixtures/common";
import { world } from "~mock/world";

const LAUNCH = "Launch for $0.036/h";
const launches = () => asked("post", "/api/v1/allocations");

describe("launching", () => {
  test("sends the price that was seen, and goes to the allocation to open its terminal", async () => {
    const { user, router } = renderAt("/launch");
    await user.type(await screen.findByLabelText(/^Name/), "notebook");
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    expect(router.state.location.search).toBe("?open=terminal");
    const [sent] = launches();
    expect(sent?.body).toEqual({ offer_id: "sku_1", price_id: "prc_1", name: "notebook" });
    expect(sent?.key).toMatch(/^[0-9a-f]{32}$/);
    expect(await screen.findByText(/terminal opens by itself/)).toBeTruthy();
  });

  test("tries again with the same key, and with another once the request is another", async () => {
    refuses("post", "/api/v1/allocations");
    const { user } = renderAt("/launch");
    const button = await screen.findByRole("button", { name: LAUNCH });
    await user.click(button);
    await screen.findByRole("alert");
    await user.click(button);
    await waitFor(() => expect(launches()).toHaveLength(2));
    await user.type(screen.getByLabelText(/^Name/), "other");
    await user.click(button);
    await waitFor(() => expect(launches()).toHaveLength(3));
    const [first, second, third] = launches().map(({ key }) => key);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  test("sends script, variables and labels, and puts none of them into an address", async () => {
    refuses("post", "/api/v1/allocations", 402, "insufficient_funds");
    refuses("post", "/api/v1/top-ups");
    const { user } = renderAt("/launch");
    await user.click(await screen.findByText(/^Advanced/));
    await user.type(screen.getByLabelText(/^Startup script/), "echo ready");
    const variables = screen.getByLabelText(/^Environment variables/);
    await user.type(variables, "TOKEN");
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    expect(await screen.findByText("Write one NAME=value a line.")).toBeTruthy();
    expect(launches()).toHaveLength(0);
    await user.type(variables, "=canary=1{enter}# none{enter}MODE=");
    await user.type(screen.getByLabelText(/^Labels/), "stage=test");
    expect(screen.getByText("sublet launch cpu-small --script FILE --env-file FILE --label stage=test")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    await user.click(await screen.findByRole("button", { name: "Continue to payment" }));
    expect(launches()[0]?.body).toEqual({
      offer_id: "sku_1",
      price_id: "prc_1",
      startup_script: "echo ready",
      environment: { TOKEN: "canary=1", MODE: "" },
      labels: { stage: "test" },
    });
    await waitFor(() => expect(asked("post", "/api/v1/top-ups")[0]?.body).toEqual({ amount: "20.00", currency: "USD", return_path: "/launch" }));
    expect(screen.getByText(/What you entered under Advanced is not kept/)).toBeTruthy();
  });

  test("offers to add funds in place, to come back with the same key", async () => {
    refuses("post", "/api/v1/allocations", 402, "insufficient_funds");
    refuses("post", "/api/v1/top-ups");
    const { user } = renderAt("/launch");
    await user.click(await screen.findByRole("button", { name: LAUNCH }));
    await user.click(await screen.findByRole("button", { name: "Continue to payment" }));
    const return_path = `/launch/resume/sku_1/prc_1/${launches()[0]?.key}/terminal`;
    await waitFor(() => expect(asked("post", "/api/v1/top-ups")[0]?.body).toEqual({ amount: "20.00", currency: "USD", return_path }));
    // The API takes such a path; and what was refused is that a part did not answer.
    expect(await screen.findByText("Nothing was changed.", { selector: "form *" })).toBeTruthy();
  });

  test("says before a launch that the money does not suffice, as the server does, and takes some", async () => {
    const reason = "A launch sets 0.0456 USD aside, and less is available.";
    world.offers = [refused(offer, "insufficient_funds", reason)];
    renderAt("/launch");
    expect(await screen.findByRole("heading", { name: "Add funds to launch" })).toBeTruthy();
    expect(screen.getByRole("button", { name: LAUNCH }).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getAllByText(reason).length).toBeGreaterThan(0);
    const form = screen.getByRole("button", { name: LAUNCH }).closest("form") as HTMLElement;
    const place = within(form).getByRole("link", { name: "Add funds" }).getAttribute("href");
    expect(document.querySelector(`${place}`)?.textContent).toContain("Add funds to launch");
    expect(document.querySelector('data[value="0.0456"]')?.textContent).toBe("$0.0456");
  });

  test("goes on by itself after the payment, with the key it began with", async () => {
    world.topUps = [like(topUp, { state: "succeeded" })];
    const { router } = renderAt("/launch/resume/sku_1/prc_1/abc123/page/notebook?top_up=tu_1");
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    expect(launches().map(({ key, body }) => ({ key, body }))).toEqual([
      { key: "abc123", body: { offer_id: "sku_1", price_id: "prc_1", name: "notebook" } },
    ]);
    expect(router.state.location.search).toBe("");
  });

  test("takes the place of the address that launched, so that Back launches nothing", async () => {
    world.topUps = [like(topUp, { state: "succeeded" })];
    const { router } = renderAt("/settings");
    await screen.findByRole("heading", { name: "Settings" });
    await act(() => router.navigate("/launch/resume/sku_1/prc_1/abc123/page?top_up=tu_1"));
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    await act(() => router.navigate(-1));
    await waitFor(() => expect(router.state.location.pathname).toBe("/settings"));
    expect(launches()).toHaveLength(1);
  });

  test("does not go on with a launch that failed when another is chosen instead", async () => {
    const other = like(offer, {
      id: "sku_2",
      sku: like(offer.sku, { id: "sku_2", code: "cpu-large", name: "Large" }),
      price: like(offer.price, { id: "prc_2", sku_id: "sku_2" }),
    });
    world.offers = [offer, other];
    world.topUps = [like(topUp, { state: "succeeded" })];
    refuses("post", "/api/v1/allocations", 409, "no_capacity");
    const { user, router } = renderAt("/launch/resume/sku_1/prc_1/abc123/page?top_up=tu_1");
    await screen.findByText("Nothing was changed.");
    server.resetHandlers();
    await user.click(screen.getByRole("radio", { name: "Large" }));
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    expect(launches().map(({ body }) => (body as { offer_id: string }).offer_id)).toEqual(["sku_1", "sku_2"]);
  });

  test.each([
    ["somebody else's payment", []],
    ["a payment that was given up", [like(topUp, { id: "tu_9", state: "pending" })]],
  ])("starts nothing on the strength of %s", async (_what, topUps) => {
    world.topUps = topUps;
    renderAt("/launch/resume/sku_1/prc_1/abc123/page?top_up=tu_9");
    expect(await screen.findByText(/payment was not made|It failed/)).toBeTruthy();
    expect(launches()).toEqual([]);
  });

  test("says that the price changed, and shows the new one", async () => {
    const { user } = renderAt("/launch");
    const button = await screen.findByRole("button", { name: LAUNCH });
    world.offers = [like(offer, { price: like(offer.price, { id: "prc_2", per_hour: perHour("0.05") }) })];
    await user.click(button);
    expect(await screen.findByText("The price has changed")).toBeTruthy();
    expect((await screen.findAllByText("$0.05/h")).length).toBeGreaterThan(0);
  });

  test("shows what is not free with the reason, and does not launch it", async () => {
    world.offers = [refused(offer, "no_capacity", "All are in use.")];
    const { user } = renderAt("/launch");
    await user.click(await screen.findByRole("radio", { name: "Small" }));
    expect(screen.getByRole("button", { name: LAUNCH }).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getAllByText("All are in use.").length).toBeGreaterThan(0);
    expect(screen.queryByRole("link", { name: "Add funds" })).toBeNull();
  });

  test("refuses a name that cannot be", async () => {
    const { user } = renderAt("/launch");
    await user.type(await screen.findByLabelText(/^Name/), "My Machine");
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    expect(screen.getByText(/starting with a letter/)).toBeTruthy();
    expect(launches()).toEqual([]);
  });

  test("is empty only when nothing is on offer, and failed when it failed", async () => {
    world.offers = [];
    refuses("get", "/api/v1/offers");
    const { user } = renderAt("/launch");
    const alert = await screen.findByRole("alert");
    server.resetHandlers();
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("Nothing is on offer")).toBeTruthy();
  });
});
