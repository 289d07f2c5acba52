import { screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import { me, page, price, sku } from "~/testing/fixtures";
import { renderAt } from "~/testing/renderAt";
import { fails, get, server, url } from "~/testing/server";

beforeEach(() => server.use(get("/me", { ...me, platform_roles: ["admin"] })));

describe("the lists of the operator", () => {
  test.each([
    ["/operator/nodes", "/admin/nodes", "No node yet"],
    ["/operator/skus", "/admin/skus", "No SKU yet"],
    ["/operator/allocations", "/admin/allocations", "No allocation"],
  ])("never show an outage as an empty list: %s", async (address, path, empty) => {
    server.use(fails(path));
    const { user } = renderAt(address);
    const alert = await screen.findByRole("alert");
    expect(screen.queryByText(empty)).toBeNull();
    server.use(get(path, page()));
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText(empty)).toBeTruthy();
  });

  test("are for operators only", async () => {
    server.use(get("/me", me));
    renderAt("/operator/nodes");
    expect(await screen.findByText("This page is for operators")).toBeTruthy();
  });

  test.each(["nonsense", "toString"])("ignore a state that there is none of: %s", async (state) => {
    let asked: string | null | undefined;
    server.use(
      http.get(url("/admin/allocations"), ({ request }) => {
        asked = new URL(request.url).searchParams.get("state");
        return HttpResponse.json(page());
      }),
    );
    renderAt(`/operator/allocations?state=${state}`);
    await waitFor(() => expect(asked).toBeNull());
  });
});

describe("the prices of a SKU", () => {
  test("on a later page are past when a newer one is in effect", async () => {
    const older = { ...price, id: "prc_old", effective_at: "2025-01-01T00:00:00Z" };
    server.use(
      get("/admin/skus", page(sku)),
      http.get(url("/admin/prices"), ({ request }) =>
        HttpResponse.json(new URL(request.url).searchParams.get("cursor") === "more" ? page(older) : { ...page(price), next_cursor: "more" }),
      ),
    );
    const { user } = renderAt("/operator/skus/sku_1");
    expect(await screen.findByText("In effect")).toBeTruthy();
    await user.click(screen.getByRole("link", { name: "Next page" }));
    const row = (await screen.findByText("prc_old")).closest("tr") as HTMLElement;
    expect(await within(row).findByText("Past")).toBeTruthy();
  });
});
