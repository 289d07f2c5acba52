import { screen, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { channel, server } from "~/testing/server";
import { tell } from "~mock/events";
import { CLOSE } from "./EventStream";

/** Tells the page of something that happens to another allocation, once it listens. */
async function tells(type: string): Promise<void> {
  await screen.findByText("Live");
  tell(type, "al_9", { allocation_id: "al_9", name: "nightly" });
}

const said = async (line: string) => within((await screen.findByText(line)).closest("li") as HTMLElement);

test("a failure in the background stays until it is put away", async () => {
  renderAt("/billing");
  await tells("allocation.failed");
  expect((await said("nightly failed. Open it to see why.")).getByRole("button", { name: "Close" })).toBeTruthy();
});

test("good news goes away by itself", async () => {
  renderAt("/billing");
  await tells("allocation.active");
  expect((await said("nightly is active")).queryByRole("button", { name: "Close" })).toBeNull();
});

test("a channel that the server refuses is not said to come back", async () => {
  server.use(channel.addEventListener("connection", ({ client }) => client.close(CLOSE.forbidden)));
  renderAt("/billing");
  expect(await screen.findByText("Not live")).toBeTruthy();
});
