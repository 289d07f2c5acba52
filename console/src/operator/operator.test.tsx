import { act, screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import type { NodeDetail } from "~/api/types";
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

describe("a node", () => {
  const gpu = { uuid: "GPU-1", model: "A100", memory_mib: 81920, state: "quarantined" as const };
  const node = {
    id: "nd_1", name: "node-a", address: "10.0.0.1", port: 22, state: "ready" as const, labels: {}, limits_enforced: true, capabilities: [],
    inventory: { vcpu: 8, memory_mib: 32768, disk_gib: 200, kernel: "6.1", os: "Debian 12", gpus: [gpu] },
    claimed: { vcpu: 0, memory_mib: 0, disk_gib: 0, gpus: 0 },
    last_seen_at: null, host_certificate_expires_at: null, helper_version: null, created_at: "2026-01-01T00:00:00Z",
    actions: ["cordon", "clear_gpu"].map((name) => ({ name, allowed: true, reason: null })),
    enrolment: [], history: [], strangers: [{ login: "al-left", uid: 200123, since: "2026-01-01T00:00:00Z" }],
  } satisfies NodeDetail;

  test("has its quarantined GPU given out again for a reason", async () => {
    let told: unknown;
    server.use(
      get("/admin/nodes/nd_1", node),
      http.post(url("/admin/nodes/nd_1/gpus/GPU-1/clear"), async ({ request }) => {
        told = await request.json();
        server.use(get("/admin/nodes/nd_1", { ...node, inventory: { ...node.inventory, gpus: [{ ...gpu, state: "available" }] } }));
        return HttpResponse.json({ ...gpu, state: "available" });
      }),
    );
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Clear" }));
    const dialog = await screen.findByRole("dialog");
    await user.click(within(dialog).getByRole("button", { name: "Clear" }));
    expect(await within(dialog).findByText("Say how you know, in up to 500 characters.")).toBeTruthy();
    await user.type(within(dialog).getByRole("textbox"), "reset it");
    expect(within(dialog).getByText("sublet admin node clear-gpu node-a GPU-1 --reason 'reset it'")).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "Clear" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    expect(told).toEqual({ reason: "reset it" });
    expect(await screen.findByText("Available")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Clear" })).toBeNull();
  });

  test("says which accounts on it are nobody's", async () => {
    server.use(get("/admin/nodes/nd_1", node));
    renderAt("/operator/nodes/nd_1");
    expect(await screen.findByText("Accounts that are nobody's")).toBeTruthy();
    expect(screen.getByText(/al-left, uid 200123/)).toBeTruthy();
  });
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
