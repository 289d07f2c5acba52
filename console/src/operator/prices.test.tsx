import { screen, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { listedPrice, managedSku } from "~mock/fixtures/catalog";
import { like } from "~mock/fixtures/common";
import { world } from "~mock/world";

beforeEach(() => {
  world.me.platform_roles = ["admin"];
});

describe("the prices of a SKU", () => {
  test("stand as the server says, whatever the clock of this machine", async () => {
    world.skus = [managedSku];
    world.prices = [listedPrice, like(listedPrice, { id: "prc_old", effective_at: "2999-01-01T00:00:00Z", in_force: false, standing: "past" })];
    world.pageLength = 1;
    const { user } = renderAt("/operator/skus/sku_1");
    expect(await screen.findByText("In effect")).toBeTruthy();
    await user.click(screen.getByRole("link", { name: "Next page" }));
    const row = (await screen.findByText("prc_old")).closest("tr") as HTMLElement;
    expect(await within(row).findByText("Past")).toBeTruthy();
  });
});
