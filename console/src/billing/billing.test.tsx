import { screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { describe, expect, test } from "vitest";
import { entry, page, topUp } from "~/testing/fixtures";
import { renderAt } from "~/testing/renderAt";
import { fails, get, problem, server, url } from "~/testing/server";

describe("billing", () => {
  test("shows the ledger to the last digit, with the balance after each entry", async () => {
    server.use(get("/wallet/entries", page(entry)));
    renderAt("/billing");
    const row = (await screen.findByText("notebook, 1 h 02 min")).closest("tr") as HTMLElement;
    expect(row.querySelector('data[value="-0.03723"]')?.textContent).toBe("−$0.03723");
    expect(row.querySelector('data[value="19.96277"]')?.textContent).toBe("$19.96277");
  });

  test("walks the ledger by its cursor, in the address", async () => {
    server.use(
      http.get(url("/wallet/entries"), ({ request }) =>
        HttpResponse.json(
          new URL(request.url).searchParams.get("cursor") === "c2"
            ? page({ ...entry, id: "ent_2", description: "older" })
            : { items: [entry], next_cursor: "c2" },
        ),
      ),
    );
    const { user, router } = renderAt("/billing");
    await user.click(await screen.findByRole("link", { name: "Next page" }));
    expect(await screen.findByText("older")).toBeTruthy();
    expect(router.state.location.search).toBe("?cursor=c2");
    expect(screen.getByRole("link", { name: "First page" })).toBeTruthy();
  });

  test("shows a ledger that cannot be read as failed, beside a wallet that can", async () => {
    server.use(fails("/wallet/entries"));
    renderAt("/billing");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.getAllByText("$20.00").length).toBeGreaterThan(0);
    expect(screen.queryByText("The ledger is empty")).toBeNull();
  });

  test("asks until a payment has succeeded", async () => {
    let asked = 0;
    server.use(
      http.get(url("/top-ups/tu_1"), () => {
        asked += 1;
        return HttpResponse.json({ ...topUp, state: asked > 1 ? "succeeded" : "processing" });
      }),
    );
    renderAt("/billing?top_up=tu_1");
    expect(await screen.findByText("Payment is being processed")).toBeTruthy();
    expect(await screen.findByText("$20.00 added", {}, { timeout: 4_000 })).toBeTruthy();
  });

  test("stops asking for a payment that there is none of", async () => {
    let asked = 0;
    server.use(
      http.get(url("/top-ups/tu_1"), () => {
        asked += 1;
        return problem(404, "not_found");
      }),
    );
    const { client } = renderAt("/billing?top_up=tu_1");
    await screen.findByRole("alert");
    const [query] = client.getQueryCache().findAll({ predicate: ({ queryKey }) => queryKey[1] === "/api/v1/top-ups/{top_up_id}" });
    const { refetchInterval } = query?.observers[0]?.options ?? {};
    expect(typeof refetchInterval === "function" && query ? refetchInterval(query) : refetchInterval).toBe(false);
    expect(asked).toBe(1);
  });

  test("says why a payment failed, in the processor's words", async () => {
    server.use(get("/top-ups/tu_1", { ...topUp, state: "failed", failure: { code: "card_declined", message: "Your card was declined." } }));
    renderAt("/billing?top_up=tu_1");
    expect(await screen.findByText("Your card was declined.")).toBeTruthy();
  });

  test("does not send an amount that is none", async () => {
    const { user } = renderAt("/billing");
    await user.click(await screen.findByRole("button", { name: "Add funds" }));
    const dialog = await screen.findByRole("dialog", { name: "Add funds" });
    await user.click(within(dialog).getByRole("radio", { name: "Another amount" }));
    await user.type(within(dialog).getByLabelText("Amount in USD"), "1e3");
    await user.click(within(dialog).getByRole("button", { name: "Continue to payment" }));
    await waitFor(() => expect(within(dialog).getByText(/Enter an amount/)).toBeTruthy());
  });
});
