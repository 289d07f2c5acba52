import { act, screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import { listedPrice, managedSku, me, page } from "~/testing/fixtures";
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

test("who may not add a node is told why", async () => {
  server.use(get("/admin/nodes", { ...page(), actions: [denied("add")] }));
  renderAt("/operator/nodes");
  expect((await screen.findByRole("button", { name: "Add node" })).getAttribute("aria-disabled")).toBe("true");
});

const denied = (name: string) => ({ name, allowed: false, reason: "Only finance may." });
const skus = (...items: (typeof managedSku)[]) => ({ ...page(...items), actions: [{ name: "create", allowed: true, reason: null }] });

describe("the SKUs", () => {
  test("show the price in force, and what may be done", async () => {
    server.use(get("/admin/skus", skus(managedSku)));
    renderAt("/operator/skus");
    expect(await screen.findByText("$0.036/h")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Deactivate cpu-small" }).getAttribute("aria-disabled")).toBeNull();
  });

  test("say to those who may not change them why not", async () => {
    const watched = { ...managedSku, actions: ["deactivate", "set_price"].map(denied) };
    server.use(get("/admin/skus", { ...page(watched), actions: [denied("create")] }), get("/admin/skus/sku_1", watched), get("/admin/prices", page()));
    const { router } = renderAt("/operator/skus");
    expect((await screen.findByRole("button", { name: "Deactivate cpu-small" })).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getByRole("button", { name: "Create SKU" }).getAttribute("aria-disabled")).toBe("true");
    await act(() => router.navigate("/operator/skus/sku_1"));
    expect((await screen.findByRole("button", { name: "Create price" })).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getByText("Only finance may.")).toBeTruthy();
  });
});

describe("the prices of a SKU", () => {
  test("stand as the server says, whatever the clock of this machine", async () => {
    const older = { ...listedPrice, id: "prc_old", effective_at: "2999-01-01T00:00:00Z", in_force: false, standing: "past" as const };
    server.use(
      get("/admin/skus/sku_1", managedSku),
      http.get(url("/admin/prices"), ({ request }) =>
        HttpResponse.json(new URL(request.url).searchParams.get("cursor") === "more" ? page(older) : { ...page(listedPrice), next_cursor: "more" }),
      ),
    );
    const { user } = renderAt("/operator/skus/sku_1");
    expect(await screen.findByText("In effect")).toBeTruthy();
    await user.click(screen.getByRole("link", { name: "Next page" }));
    const row = (await screen.findByText("prc_old")).closest("tr") as HTMLElement;
    expect(await within(row).findByText("Past")).toBeTruthy();
  });
});
