import { act, screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import { allocation, offer, page, topUp } from "~/testing/fixtures";
import { renderAt } from "~/testing/renderAt";
import { fails, get, problem, server, url } from "~/testing/server";

type Sent = { key: string | null; body: unknown };

/** Answers launches one after the other, and remembers what was sent. */
function launches(...answers: (() => Response)[]): Sent[] {
  const sent: Sent[] = [];
  server.use(
    http.post(url("/allocations"), async ({ request }) => {
      sent.push({ key: request.headers.get("idempotency-key"), body: await request.json() });
      const answer = answers[Math.min(sent.length, answers.length) - 1];
      return answer === undefined ? problem(500, "internal_error") : answer();
    }),
  );
  return sent;
}

const LAUNCH = "Launch for $0.036/h";

const accepted = () => HttpResponse.json({ ...allocation, state: "queued" }, { status: 202 });

beforeEach(() => server.use(get("/allocations/al_1", { ...allocation, state: "queued" }), get("/allocations/al_1/charges", page()), get("/allocations/al_1/history", page()), get("/ssh-keys", page())));

describe("launching", () => {
  test("sends the price that was seen, and goes to the allocation to open its terminal", async () => {
    const sent = launches(accepted);
    const { user, router } = renderAt("/launch");
    await user.type(await screen.findByLabelText(/^Name/), "notebook");
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    expect(router.state.location.search).toBe("?open=terminal");
    expect(sent[0]?.body).toEqual({ offer_id: "sku_1", price_id: "prc_1", name: "notebook" });
    expect(sent[0]?.key).toMatch(/^[0-9a-f]{32}$/);
    expect(await screen.findByText(/terminal opens by itself/)).toBeTruthy();
  });

  test("tries again with the same key, and with another once the request is another", async () => {
    const sent = launches(() => problem(503, "unavailable"));
    const { user } = renderAt("/launch");
    const button = await screen.findByRole("button", { name: LAUNCH });
    await user.click(button);
    await screen.findByRole("alert");
    await user.click(button);
    await waitFor(() => expect(sent).toHaveLength(2));
    await user.type(screen.getByLabelText(/^Name/), "other");
    await user.click(button);
    await waitFor(() => expect(sent).toHaveLength(3));
    expect(sent[1]?.key).toBe(sent[0]?.key);
    expect(sent[2]?.key).not.toBe(sent[0]?.key);
  });

  test("offers to add funds in place, to come back with the same key", async () => {
    const sent = launches(() => problem(402, "insufficient_funds"));
    let asked: Record<string, string> = {};
    server.use(
      http.post(url("/top-ups"), async ({ request }) => {
        asked = (await request.json()) as Record<string, string>;
        return problem(503, "unavailable");
      }),
    );
    const { user } = renderAt("/launch");
    await user.click(await screen.findByRole("button", { name: LAUNCH }));
    await user.click(await screen.findByRole("button", { name: "Continue to payment" }));
    await waitFor(() => expect(asked.amount).toBe("20.00"));
    expect(asked.return_path).toBe(`/launch/resume/sku_1/prc_1/${sent[0]?.key}/terminal`);
    expect(asked.return_path).toMatch(/^\/([A-Za-z0-9_-][A-Za-z0-9_/.-]*)?$/);
  });

  test("says before a launch that the money does not suffice, as the server does, and takes some", async () => {
    const reason = "A launch sets 0.0456 USD aside, and less is available.";
    server.use(get("/offers", page({ ...offer, actions: [{ name: "launch", allowed: false, reason, code: "insufficient_funds" }] })));
    renderAt("/launch");
    expect(await screen.findByRole("heading", { name: "Add funds to launch" })).toBeTruthy();
    expect(screen.getByRole("button", { name: LAUNCH }).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getAllByText(reason).length).toBeGreaterThan(0);
    const bar = screen.getByRole("button", { name: LAUNCH }).closest(".total-bar") as HTMLElement;
    const place = within(bar).getByRole("link", { name: "Add funds" }).getAttribute("href");
    expect(document.querySelector(`${place}`)?.textContent).toContain("Add funds to launch");
    expect(document.querySelector('data[value="0.0456"]')?.textContent).toBe("$0.0456");
  });

  test("goes on by itself after the payment, with the key it began with", async () => {
    server.use(get("/top-ups/tu_1", { ...topUp, state: "succeeded" }));
    const sent = launches(accepted);
    const { router } = renderAt("/launch/resume/sku_1/prc_1/abc123/page/notebook?top_up=tu_1");
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    expect(sent).toEqual([{ key: "abc123", body: { offer_id: "sku_1", price_id: "prc_1", name: "notebook" } }]);
    expect(router.state.location.search).toBe("");
  });

  test("takes the place of the address that launched, so that Back launches nothing", async () => {
    server.use(get("/top-ups/tu_1", { ...topUp, state: "succeeded" }));
    const sent = launches(accepted);
    const { router } = renderAt("/settings");
    await screen.findByRole("heading", { name: "Settings" });
    await act(() => router.navigate("/launch/resume/sku_1/prc_1/abc123/page?top_up=tu_1"));
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    await act(() => router.navigate(-1));
    await waitFor(() => expect(router.state.location.pathname).toBe("/settings"));
    expect(sent).toHaveLength(1);
  });

  test("does not go on with a launch that failed when another is chosen instead", async () => {
    const other = { ...offer, id: "sku_2", sku: { ...offer.sku, id: "sku_2", code: "cpu-large", name: "Large" }, price: { ...offer.price, id: "prc_2", sku_id: "sku_2" } };
    server.use(get("/top-ups/tu_1", { ...topUp, state: "succeeded" }), get("/offers", page(offer, other)));
    const sent = launches(() => problem(409, "no_capacity"), accepted);
    const { user, router } = renderAt("/launch/resume/sku_1/prc_1/abc123/page?top_up=tu_1");
    await screen.findByText("Nothing was changed.");
    await user.click(screen.getByRole("radio", { name: "Large" }));
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/allocations/al_1"));
    expect(sent.map(({ body }) => (body as { offer_id: string }).offer_id)).toEqual(["sku_1", "sku_2"]);
  });

  test.each([
    ["somebody else's payment", fails("/top-ups/tu_9", 404, "not_found")],
    ["a payment that was given up", get("/top-ups/tu_9", { ...topUp, state: "pending" })],
  ])("starts nothing on the strength of %s", async (_what, answer) => {
    server.use(answer);
    const sent = launches(accepted);
    renderAt("/launch/resume/sku_1/prc_1/abc123/page?top_up=tu_9");
    expect(await screen.findByText(/payment was not made|It failed/)).toBeTruthy();
    expect(sent).toEqual([]);
  });

  test("says that the price changed, and shows the new one", async () => {
    launches(() => {
      server.use(get("/offers", page({ ...offer, price: { ...offer.price, id: "prc_2", per_hour: { ...offer.price.per_hour, amount: "0.05" } } })));
      return problem(409, "price_changed");
    });
    const { user } = renderAt("/launch");
    await user.click(await screen.findByRole("button", { name: LAUNCH }));
    expect(await screen.findByText("The price has changed")).toBeTruthy();
    expect((await screen.findAllByText("$0.05/h")).length).toBeGreaterThan(0);
  });

  test("shows what is not free with the reason, and does not launch it", async () => {
    const taken = { ...offer, available: 0, actions: [{ name: "launch", allowed: false, reason: "All are in use.", code: "no_capacity" as const }] };
    server.use(get("/offers", page(taken)));
    const { user } = renderAt("/launch");
    await user.click(await screen.findByRole("radio", { name: "Small" }));
    expect(screen.getByRole("button", { name: LAUNCH }).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getAllByText("All are in use.").length).toBeGreaterThan(0);
    expect(screen.queryByRole("link", { name: "Add funds" })).toBeNull();
  });

  test("refuses a name that cannot be", async () => {
    const sent = launches(accepted);
    const { user } = renderAt("/launch");
    await user.type(await screen.findByLabelText(/^Name/), "My Machine");
    await user.click(screen.getByRole("button", { name: LAUNCH }));
    expect(screen.getByText(/starting with a letter/)).toBeTruthy();
    expect(sent).toEqual([]);
  });

  test("is empty only when nothing is on offer, and failed when it failed", async () => {
    server.use(fails("/offers"));
    const { user } = renderAt("/launch");
    const alert = await screen.findByRole("alert");
    server.use(get("/offers", page()));
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("Nothing is on offer")).toBeTruthy();
  });
});
