import { screen, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { actionsIn, allocation } from "~mock/fixtures/allocations";
import { like } from "~mock/fixtures/common";
import { world } from "~mock/world";

/** The account has one allocation, which differs from the usual one. */
function has(differs: Partial<typeof allocation>): void {
  world.allocations = [like(allocation, differs)];
}

const ports = async () => within(await screen.findByRole("region", { name: "Published ports" }));

describe("published ports", () => {
  const AT = `/allocations/${allocation.id}`;

  test("are published and withdrawn, and shown with where they are reached", async () => {
    has({ ports: [] });
    const { user } = renderAt(AT);
    expect((await ports()).getByText(/Nothing here is open to the world/)).toBeTruthy();
    await user.click((await ports()).getByRole("button", { name: "Publish port" }));
    const field = await screen.findByRole("textbox", { name: "Port" });
    await user.type(field, "80x{Enter}");
    expect(await screen.findByText("Give a port, such as 8080 or 60001/udp.")).toBeTruthy();
    await user.clear(field);
    await user.type(field, "60001/udp{Enter}");
    expect(await (await ports()).findByText("192.0.2.1:30000")).toBeTruthy();
    expect(world.allocations[0]?.ports).toMatchObject([{ port: 60_001, protocol: "udp" }]);
    await user.click((await ports()).getByRole("button", { name: "Withdraw 60001/udp" }));
    await user.click(await screen.findByRole("button", { name: "Withdraw" }));
    expect(await (await ports()).findByText(/Nothing here is open to the world/)).toBeTruthy();
  });

  test("say why they are not open, and why none can be had", async () => {
    const refused = [{ id: "prt_1", port: 8080, protocol: "tcp" as const, host: "192.0.2.1", node_port: 30_000, state: "refused" as const, refusal: "The node has something else there.", actions: [{ name: "withdraw", allowed: false, reason: "It is being withdrawn." }] }];
    const reason = "The operator gives no ports on its node.";
    const actions = actionsIn("active").filter(({ name }) => name !== "publish_port");
    has({ ports: refused, actions: [...actions, { name: "publish_port", allowed: false, reason }] });
    renderAt(AT);
    expect((await ports()).getByText("The node has something else there.")).toBeTruthy();
    expect((await ports()).getByText(reason)).toBeTruthy();
  });
});
