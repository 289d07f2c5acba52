/** A server that is frozen: code of a page that was not needed before is asked for, and does not come. */
import { screen, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, test, vi } from "vitest";
import { renderAt } from "~/testing/renderAt";

const code = vi.hoisted(() => {
  const held: { comes?: (module: object) => void } = {};
  const module = new Promise<object>((resolve) => {
    held.comes = resolve;
  });
  return { held, module };
});
vi.mock("~/billing/BillingPage", () => code.module);

const heading = (name: string) => screen.queryByRole("heading", { name });

async function askForBilling() {
  const console = renderAt("/settings");
  await screen.findByRole("heading", { name: "Settings" });
  await expect.poll(() => screen.queryByText("Loading")).toBeNull();
  await console.user.click(screen.getByRole("link", { name: "Billing" }));
  return console;
}

describe("a page whose code does not come", () => {
  afterEach(() => void vi.useRealTimers());

  test("is said to load at first, and then not to have come, with a way to try again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"], shouldAdvanceTime: true });
    await askForBilling();
    expect(screen.getByRole("link", { name: "Billing" }).getAttribute("aria-current")).toBe("page");
    await screen.findByText("Loading");
    expect(heading("Settings"), "what was there before is not taken for it").toBeNull();
    await vi.advanceTimersByTimeAsync(15_000);
    await screen.findByRole("alert");
    expect(heading("Sublet did not answer")).not.toBeNull();
    expect(screen.getByRole("button", { name: "Load again" })).not.toBeNull();
    expect(screen.queryByText("Loading")).toBeNull();
  });

  test("leaves the way to another page open", async () => {
    const { user } = await askForBilling();
    await screen.findByText("Loading");
    await user.click(screen.getByRole("link", { name: "Settings" }));
    await screen.findByRole("heading", { name: "Settings" });
  });

  test("is shown when it comes after all", async () => {
    await askForBilling();
    await screen.findByText("Loading");
    code.held.comes?.({ BillingPage: () => <h1>Here it is</h1> });
    await waitFor(() => expect(heading("Here it is")).not.toBeNull());
    expect(screen.queryByText("Loading")).toBeNull();
  });
});
