import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { formatBytes } from "~/format/shape";
import { renderAt } from "~/testing/renderAt";
import { allocation } from "~mock/fixtures/allocations";
import { like } from "~mock/fixtures/common";
import { world } from "~mock/world";

test("what its network has carried is shown as of when it was counted", async () => {
  world.allocations = [like(allocation)];
  renderAt("/allocations/al_1");
  const panel = within(await screen.findByRole("region", { name: "Network" }));
  expect(panel.getByText("1.5 GiB")).toBeTruthy();
  expect(panel.getByText("3.2 KiB")).toBeTruthy();
  expect(panel.getByText(/1 Jan 2026/)).toBeTruthy();
});

test("what nobody counts is said, and is not nothing", async () => {
  world.allocations = [like(allocation, { traffic: null })];
  renderAt("/allocations/al_1");
  const panel = within(await screen.findByRole("region", { name: "Network" }));
  expect(panel.getByText(/Nothing is known/)).toBeTruthy();
  expect(panel.queryByText("0 B")).toBeNull();
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1_610_612_736, "1.5 GiB"],
  [9e18, "7993.6 PiB"],
])("%d bytes are %s", (bytes, written) => expect(formatBytes(bytes)).toBe(written));
