import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked } from "~/testing/server";
import { like, mayNot } from "~mock/fixtures/common";
import { node } from "~mock/fixtures/fleet";
import { approval } from "~mock/fixtures/operators";
import { world } from "~mock/world";

const here = { kind: "allocation" as const, id: "al_1", name: "api", organization_id: "org_1", state: "lost", need: "runs" as const, gpus: 0 };
const WHAT = "Give up a node nd_7";

beforeEach(() => {
  world.me.platform_roles = ["admin"];
  world.nodes = [like(node, { id: "nd_7", name: "node-g", state: "offline", residents: [here], actions: [] })];
  world.approvals = [like(approval)];
});

describe("an act that needs a second person", () => {
  test("and is about money says how much, and what it does to it", async () => {
    world.approvals = [like(approval, { act: "refund.create", subject: "tu_4", parameters: { amount: { amount: "600.00", currency: "USD" }, request_id: "rrq_1" } })];
    const { user } = renderAt("/operator/approvals");
    await user.click(await screen.findByRole("button", { name: "Approve: Send money back to a card tu_4" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByText(/^\$600\.00 leaves the customer's balance/)).toBeTruthy();
  });

  test("says who asks and why, and is approved once what it does was read", async () => {
    const { user } = renderAt("/operator/approvals");
    expect(await screen.findByText("The rack burnt down.")).toBeTruthy();
    expect(screen.getByText("Somebody else than Grace has to decide. Nothing is done before.")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: `Approve: ${WHAT}` }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(await dialog.findByText("On node-g these end, with all their data, billed to what was last seen: api.")).toBeTruthy();
    expect(dialog.getByText("Their customers are credited 2 h at their own rate.")).toBeTruthy();
    expect(dialog.getByText("node-g is retired, and none of its capacity is given out again. This cannot be undone.")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Approve" }));
    expect(await dialog.findByText("Say why, in up to 500 characters.")).toBeTruthy();
    await user.type(dialog.getByRole("textbox"), "I saw the smoke");
    await user.click(dialog.getByRole("button", { name: "Approve" }));
    expect(await screen.findByText("Ada approved it. Grace does the same again, and it is done.")).toBeTruthy();
    expect(asked("post", "/api/v1/admin/approvals/{approval_id}/approve").map(({ body }) => body)).toEqual([{ reason: "I saw the smoke" }]);
  });

  test("is refused, which does nothing to what is there", async () => {
    const { user } = renderAt("/operator/approvals");
    await user.click(await screen.findByRole("button", { name: `Refuse: ${WHAT}` }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByRole("textbox"), "only a cable");
    expect(dialog.getByText("sublet admin approval reject apr_1 --reason 'only a cable'")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Refuse" }));
    expect(await screen.findByText("Ada refused it, and nothing was done. Grace can ask for it again.")).toBeTruthy();
  });

  test("cannot be approved by who asked, who reads why", async () => {
    const fresh = mayNot("This takes a sign-in within the last five minutes.", "approve");
    world.approvals = [like(approval, { actions: [...fresh, ...mayNot("Somebody else than who asked has to decide.", "reject")] })];
    const { user } = renderAt("/operator/approvals");
    const approve = await screen.findByRole("button", { name: `Approve: ${WHAT}` });
    expect(approve.getAttribute("aria-disabled")).toBe("true");
    expect(screen.getAllByText("Somebody else than who asked has to decide.")[0]?.className).not.toContain("visuallyHidden");
    expect(screen.queryByText(/sign-in within/)).toBeNull();
    await user.click(approve);
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  test("of a kind that this console does not know is shown with all that the server says of it", async () => {
    world.approvals = [like(approval, { act: "moon.move", subject: "mn_1", parameters: { by_metres: 3 } })];
    const { user } = renderAt("/operator/approvals");
    await user.click(await screen.findByRole("button", { name: "Approve: moon.move mn_1" }));
    expect(within(await screen.findByRole("dialog")).getByText("by metres: 3")).toBeTruthy();
  });

  test("is narrowed to a state that there is, which stands in the address", async () => {
    const { user, router } = renderAt("/operator/approvals?state=toString");
    await user.selectOptions(await screen.findByLabelText("State"), "used");
    expect(await screen.findByText("Nothing here is like that.")).toBeTruthy();
    expect(router.state.location.search).toBe("?state=used");
    // What is shown is asked for again once the events channel is there, be that before or after.
    expect([...new Set(asked("get", "/api/v1/admin/approvals").map(({ query }) => query.get("state")))]).toEqual([null, "used"]);
  });

  test("is told on the page of its node, with how to go on", async () => {
    const by = { id: "usr_8", name: "Alan" };
    world.approvals = [like(approval, { state: "approved", decided_by: by }), like(approval, { id: "apr_2", subject: "nd_8" })];
    renderAt("/operator/nodes/nd_7");
    expect(await screen.findByText("Grace may give this node up now")).toBeTruthy();
    expect(screen.getByText(/Alan approved it\. Grace does the same again, and it is done\./)).toBeTruthy();
    expect(screen.getByText("Asked for with 2 h of credit; another credit is another act, which needs its own approval.")).toBeTruthy();
    expect(screen.getAllByRole("link", { name: "Open approvals" })).toHaveLength(1);
  });
});

describe("the ports of a node", () => {
  test("are given to customers by a range, or taken from them by none", async () => {
    world.nodes = [like(node)];
    const { user } = renderAt("/operator/nodes/nd_1");
    await user.click(await screen.findByRole("button", { name: "Ports" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.clear(dialog.getByLabelText(/First port/));
    await user.type(dialog.getByLabelText(/First port/), "31000");
    await user.click(dialog.getByRole("button", { name: "Set ports" }));
    expect(await dialog.findByText("Enter a port that is not below the first.")).toBeTruthy();
    await user.clear(dialog.getByLabelText(/Last port/));
    await user.click(dialog.getByRole("button", { name: "Set ports" }));
    expect(await dialog.findByText("Enter a port from 1 to 65535, or leave both empty.")).toBeTruthy();
    await user.type(dialog.getByLabelText(/Last port/), "31999");
    expect(dialog.getByText("sublet admin node ports node-a 31000-31999")).toBeTruthy();
    await user.click(dialog.getByRole("button", { name: "Set ports" }));
    expect(await screen.findByText("31000-31999")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Ports" }));
    const again = within(await screen.findByRole("dialog"));
    await user.clear(again.getByLabelText(/First port/));
    await user.clear(again.getByLabelText(/Last port/));
    expect(again.getByText("sublet admin node ports node-a none")).toBeTruthy();
    await user.click(again.getByRole("button", { name: "Set ports" }));
    await waitFor(() => expect(asked("post", "/api/v1/admin/nodes/{node_id}/ports").map(({ body }) => body)).toEqual([{ range: { first: 31_000, last: 31_999 } }, { range: null }]));
  });
});
