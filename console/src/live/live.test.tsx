import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { channel, server } from "~/testing/server";
import { CLOSE, type LiveEvent } from "./EventStream";

function tells(type: string): void {
  const event: LiveEvent = { id: "1-1", type, time: "2026-01-01T00:00:00Z", subject: "al_9", data: { allocation_id: "al_9", name: "nightly" } };
  server.use(channel.addEventListener("connection", ({ client }) => client.addEventListener("message", () => client.send(JSON.stringify(event)))));
}

const said = async (line: string) => within((await screen.findByText(line)).closest("li") as HTMLElement);

test("a failure in the background stays until it is put away", async () => {
  tells("allocation.failed");
  renderAt("/billing");
  expect((await said("nightly failed. Open it to see why.")).getByRole("button", { name: "Close" })).toBeTruthy();
});

test("good news goes away by itself", async () => {
  tells("allocation.active");
  renderAt("/billing");
  expect((await said("nightly is active")).queryByRole("button", { name: "Close" })).toBeNull();
});

test("a channel that the server refuses is not said to come back", async () => {
  server.use(channel.addEventListener("connection", ({ client }) => client.close(CLOSE.forbidden)));
  renderAt("/billing");
  expect(await screen.findByText("Not live")).toBeTruthy();
});
