import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { t } from "~/messages";
import { renderAt } from "~/testing/renderAt";
import { asked } from "~/testing/server";
import { actionsIn, allocation } from "~mock/fixtures/allocations";
import { like } from "~mock/fixtures/common";
import { world } from "~mock/world";

const SUSPEND = "/api/v1/allocations/{id_or_name}/suspend";

describe("suspending", () => {
  test("is asked for first, also where the place is kept, for every program ends", async () => {
    world.allocations = [like(allocation, { state: "active", actions: actionsIn("active") })];
    const { user } = renderAt("/allocations/al_1");
    await user.click(await screen.findByRole("button", { name: "Suspend" }));
    const dialog = await screen.findByRole("alertdialog", { name: "Suspend notebook?" });
    expect(within(dialog).getByText(t.launch.suspension.ends)).toBeTruthy();
    expect(asked("post", SUSPEND)).toEqual([]);
    await user.click(within(dialog).getByRole("button", { name: "Suspend" }));
    await waitFor(() => expect(asked("post", SUSPEND)).toHaveLength(1));
  });
});
