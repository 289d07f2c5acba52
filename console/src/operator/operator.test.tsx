import { act, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { answers, asked, refuses, server } from "~/testing/server";
import { allocation, operatorError } from "~mock/fixtures/allocations";
import { managedSku } from "~mock/fixtures/catalog";
import { like, mayNot } from "~mock/fixtures/common";
import { gpu, node } from "~mock/fixtures/fleet";
import { world } from "~mock/world";

beforeEach(() => {
  world.me.platform_roles = ["admin"];
});

const denied = (name: string) => mayNot("Only finance may.", name);

describe("the lists of the operator", () => {
  test.each([
    ["/operator/nodes", "/api/v1/admin/nodes", "No node yet"],
    ["/operator/skus", "/api/v1/admin/skus", "No SKU yet"],
    ["/operator/allocations", "/api/v1/admin/allocations", "No allocation"],
  ] as const)("never show an outage as an empty list: %s", async (address, route, empty) => {
    refuses("get", route);
    const { user } = renderAt(address);
    const alert = await screen.findByRole("alert");
    expect(screen.queryByText(empty)).toBeNull();
    server.resetHandlers();
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText(empty)).toBeTruthy();
  });

  test("are for operators only", async () => {
    world.me.platform_roles = [];
    renderAt("/operator/nodes");
    expect(await screen.findByText("This page is for operators")).toBeTruthy();
  });

  test.each(["nonsense", "toString"])("ignore a state that there is none of: %s", async (state) => {
    renderAt(`/operator/allocations?state=${state}`);
    await screen.findByText("No allocation");
    expect(new Set(asked("get", "/api/v1/admin/allocations").map(({ query }) => query.get("state")))).toEqual(new Set([null]));
  });
});

test("a failure is told in the node's own words, with the step and the request", async () => {
  const failure = { code: "disk_full", message: "The node has no disk space left for it." };
  world.allocations = [like(allocation, { state: "failed", failure })];
  renderAt("/operator/allocations");
  expect(await screen.findByText(/disk_full \(create account\): north could not do apply: No space left/)).toBeTruthy();
  expect(screen.getByText(operatorError.request_id!)).toBeTruthy();
});

test("who may not add a node is told why", async () => {
  answers("get", "/api/v1/admin/nodes", { items: [], next_cursor: null, actions: denied("add") });
  renderAt("/operator/nodes");
  expect((await screen.findByRole("button", { name: "Add node" })).getAttribute("aria-disabled")).toBe("true");
});

describe("a node", () => {
  test("has its quarantined GPU given out again for a reason", async () => {
    world.nodes = [like(node, { inventory: { ...node.inventory!, gpus: [like(gpu, { state: "quarantined" })] } })];
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Clear" }));
    const dialog = await screen.findByRole("dialog");
    await user.click(within(dialog).getByRole("button", { name: "Clear" }));
    expect(await within(dialog).findByText("Say how you know, in up to 500 characters.")).toBeTruthy();
    await user.type(within(dialog).getByRole("textbox"), "reset it");
    expect(within(dialog).getByText("sublet admin node clear-gpu node-a GPU-1 --reason 'reset it'")).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "Clear" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
    const sent = asked("post", "/api/v1/admin/nodes/{node_id}/gpus/{gpu_uuid}/clear");
    expect(sent.map(({ body }) => body)).toEqual([{ reason: "reset it" }]);
    expect(await screen.findByText("Available")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Clear" })).toBeNull();
  });

  test("has a GPU that errs kept from customers for a reason", async () => {
    world.nodes = [like(node, { inventory: { ...node.inventory!, gpus: [like(gpu)] } })];
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Quarantine" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByRole("textbox"), "it errs");
    expect(dialog.getByText("sublet admin node quarantine-gpu node-a GPU-1 --reason 'it errs'")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Quarantine" }));
    expect(await screen.findByText("by operator: it errs")).toBeTruthy();
    expect(await screen.findByRole("button", { name: "Clear" })).toBeTruthy();
  });

  test("says of a GPU what is wrong with it and what to do", async () => {
    const finding = { code: "xid_79", severity: "quarantine", xid: 79, count: 2, means: "it has fallen off the bus", said: "GPU has fallen off the bus", source: null, do: "Reboot the node.", since: "2026-01-01T00:00:00Z", at: "2026-01-01T00:00:00Z" } as const;
    const facts = { answers: false, driver: "570.86.15", temperature: 41, memory_used_mib: 1024, busy_percent: 3, ecc_uncorrected: 0, recovery: null, mig: null, slowed_by: [] };
    const health = { ...facts, worst: "quarantine" as const, findings: [finding], seen_at: "2026-01-01T00:00:00Z" };
    world.nodes = [like(node, { inventory: { ...node.inventory!, gpus: [like(gpu, { health })] } })];
    renderAt("/operator/nodes/nd_1");
    expect(await screen.findByText("Xid 79, 2 times: it has fallen off the bus. The driver: GPU has fallen off the bus. Reboot the node.")).toBeTruthy();
    expect(screen.getByText("41 °C · 3 % busy · 1 GiB in use")).toBeTruthy();
    expect(screen.getByText("Faulty")).toBeTruthy();
  });

  test("says which accounts on it are nobody's", async () => {
    world.nodes = [like(node, { strangers: [{ login: "al-left", uid: 200_123, since: "2026-01-01T00:00:00Z" }] })];
    renderAt("/operator/nodes/nd_1");
    expect(await screen.findByText("Accounts that are nobody's")).toBeTruthy();
    expect(screen.getByText(/al-left, uid 200123/)).toBeTruthy();
  });

  test("is cordoned once that is confirmed, and uncordoned at a press", async () => {
    world.nodes = [like(node)];
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Cordon" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    await user.click(dialog.getByRole("button", { name: "Cordon" }));
    await user.click(await screen.findByRole("button", { name: "Uncordon" }));
    expect(await screen.findByRole("button", { name: "Cordon" })).toBeTruthy();
  });

  test("is drained by a deadline and a credit that somebody gives, and says who is still there", async () => {
    const here = { kind: "allocation" as const, id: "al_1", name: "api", organization_id: "org_1", state: "active", need: "runs" as const, gpus: 0 };
    world.nodes = [like(node, { residents: [here] })];
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Drain" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByText("Its customers are told. Still there: api.")).toBeTruthy();
    await user.type(dialog.getByLabelText("Why"), "a fan");
    await user.click(dialog.getByRole("button", { name: "Drain" }));
    expect((await dialog.findAllByText("Enter hours such as 2 or 0.5.")).length).toBe(2);
    await user.type(dialog.getByLabelText("Hours until the deadline"), "24");
    await user.type(dialog.getByLabelText("Hours to credit"), "0.5");
    expect(dialog.getByText("sublet admin node drain node-a --deadline 1440m --credit 30m --reason 'a fan'")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Drain" }));
    expect(await screen.findByText(/Being emptied until/)).toBeTruthy();
    const sent = asked("post", "/api/v1/admin/nodes/{node_id}/drain").map(({ body }) => body);
    expect(sent).toEqual([{ reason: "a fan", deadline_seconds: 86_400, credit_seconds: 1800 }]);
  });

  test("says why it cannot be put back, and what its test found", async () => {
    const checks = [{ name: "memory", passed: false, detail: "it took twice its memory" }];
    const at = "2026-01-01T00:00:00Z";
    const selfTest = { id: "nst_1", asked_by: "Ada", asked_at: at, finished_at: at, passed: false, checks };
    world.nodes = [like(node, { state: "maintenance", self_test: selfTest, actions: mayNot("It has not passed.", "put_back") })];
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Put back" }));
    expect(screen.getByText("It has not passed.")).toBeTruthy();
    expect(screen.getByText("it took twice its memory")).toBeTruthy();
    expect(screen.getByText("Nothing lives on this node.")).toBeTruthy();
  });

  test("is corrected where it was mistyped", async () => {
    world.nodes = [like(node, { address: "2001:db8::8" })];
    const { user } = renderAt("/operator/nodes/nd_1");
    expect(await screen.findByText("[2001:db8::8]:22")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Correct" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.clear(dialog.getByLabelText("Address"));
    await user.type(dialog.getByLabelText("Address"), "2001:db8::7");
    await user.click(dialog.getByRole("button", { name: "Correct" }));
    expect(await screen.findByText("[2001:db8::7]:22")).toBeTruthy();
    expect(asked("patch", "/api/v1/admin/nodes/{node_id}").map(({ body }) => body)).toEqual([{ name: node.name, address: "2001:db8::7", port: 22 }]);
  });

  test("is removed once that is confirmed, and the list is shown", async () => {
    world.nodes = [like(node)];
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Remove" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    await user.click(dialog.getByRole("button", { name: "Remove" }));
    expect(await screen.findByText("No node yet")).toBeTruthy();
  });

  test("joins by the one command that is shown when it has been added", async () => {
    const { user } = renderAt("/operator/nodes/new");
    await user.type(await screen.findByLabelText("Name"), "node-z");
    await user.type(screen.getByLabelText("Address"), "10.0.0.9");
    await user.click(screen.getByRole("button", { name: "Add node" }));
    expect(await screen.findByText(/join_node-z/)).toBeTruthy();
    expect(asked("post", "/api/v1/admin/nodes").map(({ body }) => body)).toEqual([{ name: "node-z", address: "10.0.0.9", port: 22, labels: {} }]);
  });
});

describe("the SKUs", () => {
  test("show the price in force, and what may be done", async () => {
    world.skus = [managedSku];
    renderAt("/operator/skus");
    expect(await screen.findByText("$0.036/h")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Deactivate cpu-small" }).getAttribute("aria-disabled")).toBeNull();
  });

  test("say to those who may not change them why not", async () => {
    world.skus = [like(managedSku, { actions: [...denied("deactivate"), ...denied("set_price")] })];
    answers("get", "/api/v1/admin/skus", { items: world.skus, next_cursor: null, actions: denied("create") });
    const { router } = renderAt("/operator/skus");
    expect((await screen.findByRole("button", { name: "Deactivate cpu-small" })).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getByRole("button", { name: "Create SKU" }).getAttribute("aria-disabled")).toBe("true");
    await act(() => router.navigate("/operator/skus/sku_1"));
    expect((await screen.findByRole("button", { name: "Create price" })).getAttribute("aria-disabled")).toBe("true");
    expect(screen.getByText("Only finance may.")).toBeTruthy();
  });

  test("are taken from the offers once that is confirmed, and put back at a press", async () => {
    world.skus = [like(managedSku)];
    const { user } = renderAt("/operator/skus");
    await user.click(await screen.findByRole("button", { name: "Deactivate cpu-small" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    await user.click(dialog.getByRole("button", { name: "Deactivate" }));
    await user.click(await screen.findByRole("button", { name: "Activate cpu-small" }));
    expect(await screen.findByRole("button", { name: "Deactivate cpu-small" })).toBeTruthy();
  });

  test("are created, and lead to where the first price is set", async () => {
    const { user, router } = renderAt("/operator/skus");
    await user.click(await screen.findByRole("button", { name: "Create SKU" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("Code"), "cpu-new");
    await user.type(dialog.getByLabelText("Name"), "New");
    await user.click(dialog.getByLabelText("A whole node, in its own network"));
    await user.type(dialog.getByLabelText(/^Network speed/), "100{Enter}");
    expect(dialog.getByText("In the node's own network the speed cannot be limited. Leave it empty.")).toBeTruthy();
    await user.clear(dialog.getByLabelText(/^Network speed/));
    expect(dialog.getByText(/^sublet admin sku add cpu-new .* --whole-node --node-network$/)).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Create SKU" }));
    expect(await screen.findByRole("heading", { name: "Prices of cpu-new" })).toBeTruthy();
    expect(router.state.location.pathname).toBe("/operator/skus/sku_1");
    expect(asked("post", "/api/v1/admin/skus")[0]?.body).toMatchObject({ whole_node: true, node_network: true, network_mbit: null });
    await user.click(screen.getByRole("button", { name: "Create price" }));
    const pricing = within(await screen.findByRole("dialog"));
    await user.type(pricing.getByLabelText("Rate per hour"), "0.5");
    await user.click(pricing.getByLabelText("For some hours"));
    await user.type(pricing.getByLabelText("Hours"), "4");
    await user.type(pricing.getByLabelText("Rate per hour while suspended"), "0.05");
    await user.type(pricing.getByLabelText("Rate per hour for its disk alone"), "0.01");
    await user.click(pricing.getByRole("button", { name: "Create price" }));
    expect(pricing.getByText("Enter the three letters of a currency, such as EUR.")).toBeTruthy();
    expect(asked("post", "/api/v1/admin/prices")).toEqual([]);
    await user.type(pricing.getByLabelText("Currency"), "eur");
    expect(pricing.getByText("sublet admin price set cpu-new 0.5 --currency EUR --suspended-claim 4h --suspended 0.05 --disk 0.01")).toBeTruthy();
    await user.click(pricing.getByRole("button", { name: "Create price" }));
    expect(await screen.findByText("In effect")).toBeTruthy();
    expect(asked("post", "/api/v1/admin/prices")[0]?.body).toMatchObject({ currency: "EUR", suspended_claim: "hours", suspended_claim_hours: 4, suspended_per_hour: "0.05", disk_per_hour: "0.01" });
  });
});
