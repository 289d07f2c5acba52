import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { answers, asked, refuses, server } from "~/testing/server";
import { apiToken, session, sshKey } from "~mock/fixtures/account";
import { like, mayNot } from "~mock/fixtures/common";
import { world } from "~mock/world";

describe("settings", () => {
  test.each([
    ["keys", "/api/v1/ssh-keys", "No SSH key"],
    ["tokens", "/api/v1/api-tokens", "No API token"],
    ["sessions", "/api/v1/auth/sessions", "No session"],
  ] as const)("never show an outage of %s as an empty list", async (view, route, empty) => {
    refuses("get", route);
    const { user } = renderAt(`/settings?view=${view}`);
    const alert = await screen.findByRole("alert");
    expect(screen.queryByText(empty)).toBeNull();
    server.resetHandlers();
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText(empty)).toBeTruthy();
  });

  test.each([
    ["keys", "older laptop"],
    ["tokens", "older ci"],
    ["sessions", "wget/1"],
  ])("walk the list of %s page by page", async (view, shown) => {
    world.pageLength = 1;
    world.sshKeys = [sshKey, like(sshKey, { id: "key_2", name: "older laptop" })];
    world.apiTokens = [apiToken, like(apiToken, { id: "tok_2", name: "older ci" })];
    world.sessions = [session, like(session, { id: "ses_2", user_agent: "wget/1" })];
    const { user, router } = renderAt(`/settings?view=${view}`);
    await user.click(await screen.findByRole("link", { name: "Next page" }));
    expect(await screen.findByText(shown)).toBeTruthy();
    expect(router.state.location.search).toBe(`?view=${view}&cursor=1`);
  });

  test.each([
    ["keys", "Remove laptop", "Remove", "No SSH key"],
    ["tokens", "Revoke ci", "Revoke", "No API token"],
    ["sessions", "End session: curl/8", "End session", "No session"],
  ])("take one of the %s away once it is confirmed", async (view, press, confirm, empty) => {
    Object.assign(world, { sshKeys: [sshKey], apiTokens: [apiToken], sessions: [session] });
    const { user } = renderAt(`/settings?view=${view}`);
    await user.click(await screen.findByRole("button", { name: press }));
    const dialog = within(await screen.findByRole("alertdialog"));
    await user.click(dialog.getByRole("button", { name: confirm }));
    expect(await screen.findByText(empty)).toBeTruthy();
    expect(screen.queryByRole("alertdialog")).toBeNull();
  });

  test("add a key, which is then in the list", async () => {
    const { user } = renderAt("/settings");
    await user.click(await screen.findByRole("button", { name: "Add SSH key" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("Name"), "desk");
    await user.type(dialog.getByLabelText("Public key"), "ssh-ed25519 AAAAC3Nza");
    await user.click(dialog.getByRole("button", { name: "Add SSH key" }));
    expect(await screen.findByText("desk")).toBeTruthy();
    expect(screen.queryByRole("dialog")).toBeNull();
  });
});

describe("what is at its bound", () => {
  test.each([
    ["keys", "/api/v1/ssh-keys", "add", "Add SSH key"],
    ["tokens", "/api/v1/api-tokens", "create", "Create token"],
  ] as const)("says why no more %s are taken, and opens no form", async (view, route, action, label) => {
    answers("get", route, { items: [], next_cursor: null, actions: mayNot("100 are the most.", action) });
    const { user } = renderAt(`/settings?view=${view}`);
    await user.click(await screen.findByRole("button", { name: label }));
    expect(screen.getByText("100 are the most.")).toBeTruthy();
    expect(screen.queryByRole("dialog")).toBeNull();
  });
});

describe("creating an API token", () => {
  test("asks for the same token again when the first try got no answer", async () => {
    refuses("post", "/api/v1/api-tokens");
    const { user } = renderAt("/settings?view=tokens");
    await user.click(await screen.findByRole("button", { name: "Create token" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("Name"), "ci");
    await user.click(dialog.getByLabelText("wallet:read"));
    await user.click(dialog.getByRole("button", { name: "Create token" }));
    await dialog.findByRole("alert");
    server.resetHandlers();
    await user.click(dialog.getByRole("button", { name: "Create token" }));
    expect(await screen.findByText("sublet_shown_once")).toBeTruthy();
    const sent = asked("post", "/api/v1/api-tokens");
    await waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[1]).toEqual(sent[0]);
  });
});
