import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { like, mayNot } from "~mock/fixtures/common";
import { finding } from "~mock/fixtures/money";
import { world } from "~mock/world";

const GRACE = { id: "usr_9", name: "Grace" };

beforeEach(() => {
  world.me.platform_roles = ["finance"];
  world.findingOwners = [{ id: world.me.user.id, name: world.me.user.name }, GRACE];
  world.findings = [like(finding, { severity: "error" }), like(finding, { id: "fnd_2", severity: "error", code: "books.odd", owner: GRACE })];
});

/** Gives the finding on the page to somebody, by the dialog. */
async function give(user: ReturnType<typeof renderAt>["user"], owner: string, command: string) {
  await user.click(screen.getByRole("button", { name: "Assign" }));
  const dialog = within(await screen.findByRole("dialog", { name: "Who sees to this finding?" }));
  await user.selectOptions(dialog.getByLabelText("Owner"), owner);
  expect(dialog.getByText(command)).toBeTruthy();
  await user.click(dialog.getByRole("button", { name: "Assign" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
}

describe("findings", () => {
  test("name who sees to each, and are looked for by that, in the address", async () => {
    const { user, router } = renderAt("/operator/money/findings?cursor=0");
    expect(within((await screen.findByText("books.odd")).closest("tr") as HTMLElement).getByText("Grace")).toBeTruthy();
    await user.selectOptions(screen.getByLabelText("Owner"), await screen.findByRole("option", { name: "Grace" }));
    expect(router.state.location.search).toBe("?owner=usr_9");
    await waitFor(() => expect(screen.queryByText("ledger.balance_drift")).toBeNull());
    await user.selectOptions(screen.getByLabelText("Owner"), "Nobody");
    expect(await screen.findByText("ledger.balance_drift")).toBeTruthy();
    await user.selectOptions(screen.getByLabelText("Owner"), "Me");
    expect(await screen.findByText("Nothing here is like that.")).toBeTruthy();
    expect(screen.queryByText("Nothing is found")).toBeNull();
    expect(asked("get", "/api/v1/admin/findings").at(-1)?.query.get("owner_id")).toBe(world.me.user.id);
  });
});

describe("one finding", () => {
  test("says what mends it, who sees to it and all that became of it", async () => {
    renderAt("/operator/money/findings/fnd_2");
    expect(await screen.findByText(/^End what writes to the database/)).toBeTruthy();
    expect(screen.getByText("Found")).toBeTruthy();
    expect(within(screen.getByText("Given to").closest("tr") as HTMLElement).getByText("Grace")).toBeTruthy();
    expect(screen.getByText("At stake").nextElementSibling?.textContent).toBe("$1.00");
  });

  test("is taken by a press, given to another, and given back", async () => {
    const { user } = renderAt("/operator/money/findings/fnd_1");
    await user.click(await screen.findByRole("button", { name: "I see to it" }));
    await waitFor(() => expect(screen.queryByRole("button", { name: "I see to it" })).toBeNull());
    await give(user, "Grace", "sublet admin finding assign fnd_1 --to usr_9");
    await give(user, "Nobody", "sublet admin finding assign fnd_1 --nobody");
    expect(asked("post", "/api/v1/admin/findings/{finding_id}/assign").map(({ body }) => body)).toEqual([{ owner_id: world.me.user.id }, { owner_id: "usr_9" }, { owner_id: null }]);
  });

  test("is resolved where it is read, and offers nothing any more then", async () => {
    const { user } = renderAt("/operator/money/findings/fnd_1");
    await user.click(await screen.findByRole("button", { name: "Resolve" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("How it was settled"), "posted anew");
    await user.click(dialog.getByRole("button", { name: "Resolve" }));
    expect(await screen.findByText(/^posted anew/)).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Assign" })).toBeNull();
  });

  test("is nothing for who may not settle findings, who reads why", async () => {
    world.findingOwners = [GRACE];
    world.findings = [like(finding, { severity: "error", actions: mayNot("This needs the platform role finance or admin.", "resolve", "assign") })];
    renderAt("/operator/money/findings/fnd_1");
    expect((await screen.findByRole("button", { name: "Resolve" })).getAttribute("aria-disabled")).toBe("true");
    expect(screen.queryByRole("button", { name: "I see to it" })).toBeNull();
  });

  test("that cannot be read says so", async () => {
    refuses("get", "/api/v1/admin/findings/{finding_id}");
    renderAt("/operator/money/findings/fnd_1");
    expect(await screen.findByRole("alert")).toBeTruthy();
  });
});
