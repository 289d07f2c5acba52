import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked } from "~/testing/server";
import { allocation, startup } from "~mock/fixtures/allocations";
import { like } from "~mock/fixtures/common";
import { world } from "~mock/world";

/** The account has an allocation that was launched with something. */
function has(differs: Partial<typeof allocation>): void {
  world.allocations = [like(allocation, differs)];
}

describe("the list of allocations", () => {
  test("is narrowed by labels, in the address, and widened again", async () => {
    world.allocations = [
      like(allocation, { id: "al_1", name: "one", labels: { stage: "test" } }),
      like(allocation, { id: "al_2", name: "two", labels: { stage: "live" } }),
    ];
    const { user, router } = renderAt("/");
    await screen.findByText(/stage=live/);
    await user.type(screen.getByLabelText("Only with label"), "stage=test{enter}");
    await waitFor(() => expect(screen.queryByRole("link", { name: "two" })).toBeNull());
    expect(router.state.location.search).toBe("?label=stage%3Dtest");
    await user.click(screen.getByRole("button", { name: "Show also those without stage=test" }));
    expect(await screen.findByRole("link", { name: "two" })).toBeTruthy();
    expect(router.state.location.search).toBe("");
  });
});

describe("the page of an allocation", () => {
  test("shows how its startup script fared, and what that wrote as nothing but text", async () => {
    has({ startup });
    const { user } = renderAt("/allocations/notebook");
    const panel = within((await screen.findByRole("heading", { name: "Startup script" })).closest("section") as HTMLElement);
    expect(panel.getByText("Failed")).toBeTruthy();
    expect(panel.getByText("3")).toBeTruthy();
    await user.click(panel.getByText("Output"));
    const output = await panel.findByRole("region", { name: "Output" });
    expect(output.textContent).toBe("fetching the data\n\ufffd[31mcurl: (6) no such host\ufffd[0m\n");
  });

  test("shows labels and names of variables, and changes labels", async () => {
    has({ labels: { stage: "test", team: "a" }, environment: ["MODE", "TOKEN"] });
    const { user } = renderAt("/allocations/notebook");
    expect(await screen.findByText("MODE, TOKEN")).toBeTruthy();
    expect(screen.getByRole("link", { name: "stage=test" }).getAttribute("href")).toBe("/?label=stage%3Dtest");
    await user.click(screen.getByRole("button", { name: "Edit labels" }));
    const field = await screen.findByRole("textbox", { name: /^Labels/ });
    await user.clear(field);
    await user.type(field, "stage=live");
    await user.click(screen.getByRole("button", { name: "Save labels" }));
    expect(await screen.findByRole("link", { name: "stage=live" })).toBeTruthy();
    expect(asked("patch", "/api/v1/allocations/{id_or_name}")[0]?.body).toEqual({ labels: { stage: "live", team: null } });
  });
});
