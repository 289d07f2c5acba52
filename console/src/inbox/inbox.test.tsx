import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { like } from "~mock/fixtures/common";
import { notice } from "~mock/fixtures/notices";
import { world } from "~mock/world";

const read = like(notice, { id: "ntc_0", title: "Receipt: 20.00 USD paid in", read_at: "2026-01-02T00:00:00Z", mailed_at: "2026-01-02T00:00:00Z" });

describe("the bell", () => {
  test("says how much is unread, and leads to it", async () => {
    world.notices = [notice, read];
    const { user } = renderAt("/");
    await user.click(await screen.findByRole("link", { name: "Inbox, 1 unread" }));
    expect(await screen.findByRole("heading", { name: "Inbox" })).toBeTruthy();
  });

  test("is quiet when nothing is", async () => {
    world.notices = [read];
    renderAt("/");
    expect(await screen.findByRole("link", { name: "Inbox, nothing unread" })).toBeTruthy();
  });
});

describe("the inbox", () => {
  test("tells each notice in its own words, and what became of its mail", async () => {
    world.notices = [notice, read, like(notice, { id: "ntc_2", title: "A third", not_mailed_because: "address_not_verified" })];
    renderAt("/inbox");
    expect(await screen.findAllByText(notice.sentences[0] ?? "")).toHaveLength(3);
    expect(screen.getAllByText(notice.sentences[1] ?? "")).toHaveLength(3);
    expect(screen.getByText("Also sent by e-mail")).toBeTruthy();
    expect(screen.getByText("Not sent by e-mail: your address is not verified.")).toBeTruthy();
    expect(screen.getAllByRole("link", { name: "Add funds" })[0]?.getAttribute("href")).toBe("/billing");
  });

  test("marks one as read, and the bell follows", async () => {
    world.notices = [notice];
    const { user } = renderAt("/inbox");
    await user.click(await screen.findByRole("button", { name: `Mark as read: ${notice.title}` }));
    await waitFor(() => expect(screen.queryByText("Unread")).toBeNull());
    expect(await screen.findByRole("link", { name: "Inbox, nothing unread" })).toBeTruthy();
  });

  test("marks all up to the newest that is shown, and names that", async () => {
    world.notices = [notice, like(notice, { id: "ntc_2" })];
    const { user } = renderAt("/inbox");
    await user.click(await screen.findByRole("button", { name: "Mark all as read" }));
    await waitFor(() => expect(world.notices.every(({ read_at }) => read_at !== null)).toBe(true));
    expect(asked("post", "/api/v1/notices/read").map(({ body }) => body)).toEqual([{ up_to: notice.id }]);
  });

  test("says that it could not be marked", async () => {
    world.notices = [notice];
    const { user } = renderAt("/inbox");
    refuses("post", "/api/v1/notices/{notice_id}/read");
    await user.click(await screen.findByRole("button", { name: `Mark as read: ${notice.title}` }));
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.getByText("Unread")).toBeTruthy();
  });

  test("goes nowhere outside of the console", async () => {
    world.notices = [like(notice, { link: "//evil.example" })];
    renderAt("/inbox");
    expect((await screen.findByRole("link", { name: "Add funds" })).getAttribute("href")).toBe("/");
  });
});

describe("an address", () => {
  test("that is not verified is asked about, once", async () => {
    world.me.user = { ...world.me.user, email_verified: false };
    const { user } = renderAt("/inbox");
    await user.click(await screen.findByRole("button", { name: "Send the mail" }));
    expect(await screen.findByText(/A mail with a link is on its way to ada@example.com/)).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Send the mail" })).toBeNull();
  });

  test("that is verified is not", async () => {
    const { client } = renderAt("/inbox");
    await waitFor(() => expect(client.getQueryCache().getAll().some(({ queryKey, state }) => queryKey[1] === "/api/v1/me/email" && state.data !== undefined)).toBe(true));
    expect(screen.queryByText("Verify your address")).toBeNull();
  });

  test("is confirmed by a press, not by opening the link", async () => {
    world.me.user = { ...world.me.user, email_verified: false };
    const { user } = renderAt("/verify-email#right");
    const button = await screen.findByRole("button", { name: "Confirm" });
    expect(asked("post", "/api/v1/me/email/confirmation")).toHaveLength(0);
    await user.click(button);
    expect(await screen.findByText("Your address is verified")).toBeTruthy();
    expect(world.me.user.email_verified).toBe(true);
  });

  test("is not confirmed by a link that is over", async () => {
    world.me.user = { ...world.me.user, email_verified: false };
    const { user } = renderAt("/verify-email#wrong");
    await user.click(await screen.findByRole("button", { name: "Confirm" }));
    expect(within(await screen.findByRole("alert")).getByText(/older than a day/)).toBeTruthy();
  });

  test("is not confirmed without a secret", async () => {
    renderAt("/verify-email");
    expect(await screen.findByText(/a part of it is missing/)).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Confirm" })).toBeNull();
  });
});

describe("preferences", () => {
  test("switch a kind off by one way alone", async () => {
    const { user } = renderAt("/settings?view=notices");
    const box = await screen.findByRole("checkbox", { name: "By e-mail: Your funds will be used up soon" });
    await user.click(box);
    await waitFor(() => expect((screen.getByRole("checkbox", { name: "By e-mail: Your funds will be used up soon" }) as HTMLInputElement).checked).toBe(false));
    expect((screen.getByRole("checkbox", { name: "In the inbox: Your funds will be used up soon" }) as HTMLInputElement).checked).toBe(true);
  });

  test("say why a kind cannot be", async () => {
    renderAt("/settings?view=notices");
    const box = (await screen.findByRole("checkbox", { name: /In the inbox: Your funds are used up/ })) as HTMLInputElement;
    expect(box.disabled).toBe(true);
    expect(screen.getByText(/the last word before programs end/)).toBeTruthy();
  });
});
