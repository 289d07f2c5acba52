import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { like, mayNot } from "~mock/fixtures/common";
import { drifted, rollout, upgrade } from "~mock/fixtures/operators";
import { world } from "~mock/world";

beforeEach(() => {
  world.me.platform_roles = ["admin"];
});

describe("the helpers of the fleet", () => {
  test("are brought to one node first, by a dialog that says what follows", async () => {
    world.drift = [like(drifted)];
    const { user } = renderAt("/operator/helpers");
    await user.click(await screen.findByRole("button", { name: "Try the helper on node-a first" }));
    const dialog = within(await screen.findByRole("alertdialog"));
    expect(dialog.getByText(/node-a gets its earlier helper back by itself, and no other node is given this one/)).toBeTruthy();
    expect(dialog.getByText("sublet admin node upgrade --canary node-a")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Begin" }));
    expect(await screen.findByText("node-a is tried first")).toBeTruthy();
    const [sent] = asked("post", "/api/v1/admin/helper-rollouts");
    expect([sent?.body, sent?.key]).toEqual([{ canary: "nd_1" }, expect.any(String)]);
  });

  test("are not brought to a node that cannot have it, which says why", async () => {
    world.drift = [like(drifted, { actions: mayNot("It is offline, so nothing can be tried on it.", "upgrade_first") })];
    const { user } = renderAt("/operator/helpers");
    await user.click(await screen.findByRole("button", { name: "Try the helper on node-a first" }));
    expect(screen.getByText("It is offline, so nothing can be tried on it.")).toBeTruthy();
    expect(screen.queryByRole("alertdialog")).toBeNull();
  });

  test("say so where every node has this release's, and never when nobody answers", async () => {
    renderAt("/operator/helpers");
    expect(await screen.findByText("Every node has the helper of this release.")).toBeTruthy();
    expect(screen.getByText("No helper was brought to the nodes yet.")).toBeTruthy();
  });

  test("are not said to be well while the list cannot be read", async () => {
    refuses("get", "/api/v1/admin/helper-drift");
    renderAt("/operator/helpers");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.queryByText("Every node has the helper of this release.")).toBeNull();
  });
});

describe("a rollout", () => {
  beforeEach(() => {
    world.rollouts = [like(rollout, { phase: "rolling", done: 1, waiting: 1 })];
    world.upgrades = {
      hro_1: [
        like(upgrade, { outcome: "done", ended_at: "2026-01-01T00:00:05Z" }),
        like(upgrade, { node_id: "nd_2", node_name: "node-b", canary: false, outcome: "failed", detail: "it lets nobody in", ended_at: "2026-01-01T00:00:09Z" }),
      ],
    };
  });

  test("shows what became of each node, and why one has its earlier helper back", async () => {
    renderAt("/operator/helpers/hro_1");
    const row = (await screen.findByRole("link", { name: "node-b" })).closest("tr") as HTMLElement;
    expect(within(row).getByText("Earlier one is back")).toBeTruthy();
    expect(within(row).getByText("it lets nobody in")).toBeTruthy();
    expect(screen.getByText("first").closest("tr")?.textContent).toContain("Has it");
    expect(screen.getByText("node-a is well, and the others follow")).toBeTruthy();
  });

  test("is stopped for a reason, and says what stays", async () => {
    const { user } = renderAt("/operator/helpers/hro_1");
    await user.click(await screen.findByRole("button", { name: "Stop" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(dialog.getByRole("button", { name: "Stop" }));
    expect(await dialog.findByText("Say why, in up to 500 characters.")).toBeTruthy();
    await user.type(dialog.getByRole("textbox"), "wrong day");
    expect(dialog.getByText("sublet admin node upgrade --stop 'wrong day'")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Stop" }));
    expect(await screen.findByText("It was stopped")).toBeTruthy();
    expect(screen.getByText("wrong day")).toBeTruthy();
    await waitFor(() => expect(screen.getByRole("button", { name: "Stop" }).getAttribute("aria-disabled")).toBe("true"));
  });
});
