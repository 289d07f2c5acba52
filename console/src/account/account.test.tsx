import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, test } from "vitest";
import { renderAt } from "~/testing/renderAt";
import { asked, refuses } from "~/testing/server";
import { world } from "~mock/world";

describe("signing up", () => {
  beforeEach(() => {
    world.signedIn = false;
  });

  test("asks for a password of twelve characters before anything is sent", async () => {
    const { user } = renderAt("/sign-up");
    await user.type(await screen.findByLabelText("Email"), "ada@example.com");
    await user.type(screen.getByLabelText("Password"), "short");
    await user.type(screen.getByLabelText("Your name"), "Ada");
    await user.click(screen.getByRole("button", { name: "Sign up" }));
    expect(await screen.findByText("Use at least 12 characters.")).toBeTruthy();
    expect(asked("post", "/api/v1/auth/signup")).toEqual([]);
  });

  test("lands in the console, with an empty organization left out", async () => {
    const { user, router } = renderAt("/sign-up?next=/launch");
    await user.type(await screen.findByLabelText("Email"), "ada@example.com");
    await user.type(screen.getByLabelText("Password"), "a long enough one");
    await user.type(screen.getByLabelText("Your name"), "Ada");
    await user.click(screen.getByRole("button", { name: "Sign up" }));
    expect(await screen.findByRole("heading", { name: "Launch" })).toBeTruthy();
    expect(router.state.location.pathname).toBe("/launch");
    const sent = asked("post", "/api/v1/auth/signup").map(({ body }) => body);
    expect(sent).toEqual([{ email: "ada@example.com", password: "a long enough one", name: "Ada" }]);
  });

  test("takes that the terms in force are accepted, and names their version", async () => {
    world.terms = { url: "https://sublet.test/terms", version: "2026-11" };
    const { user } = renderAt("/sign-up");
    await user.type(await screen.findByLabelText("Email"), "ada@example.com");
    await user.type(screen.getByLabelText("Password"), "a long enough one");
    await user.type(screen.getByLabelText("Your name"), "Ada");
    expect((await screen.findByRole("link", { name: "terms (version 2026-11)" })).getAttribute("href")).toBe("https://sublet.test/terms");
    await user.click(screen.getByRole("button", { name: "Sign up" }));
    expect(await screen.findByText("Read the terms and accept them to go on.")).toBeTruthy();
    expect(asked("post", "/api/v1/auth/signup")).toEqual([]);
    await user.click(screen.getByRole("checkbox"));
    await user.click(screen.getByRole("button", { name: "Sign up" }));
    expect(await screen.findByRole("heading", { name: "Allocations" })).toBeTruthy();
    const [sent] = asked("post", "/api/v1/auth/signup").map(({ body }) => body);
    expect(sent).toMatchObject({ accepted_terms: "2026-11" });
  });

  test("puts the server's complaint beside the field it is about", async () => {
    refuses("post", "/api/v1/auth/signup", 409, "email_taken", { errors: [{ field: "email", message: "This email has an account." }] });
    const { user } = renderAt("/sign-up");
    await user.type(await screen.findByLabelText("Email"), "ada@example.com");
    await user.type(screen.getByLabelText("Password"), "a long enough one");
    await user.type(screen.getByLabelText("Your name"), "Ada");
    await user.click(screen.getByRole("button", { name: "Sign up" }));
    expect(await screen.findByText("This email has an account.")).toBeTruthy();
    expect(screen.getByLabelText("Email").getAttribute("aria-invalid")).toBe("true");
  });
});

describe("without a session", () => {
  test("a page sends to sign in and remembers where one wanted to be", async () => {
    world.signedIn = false;
    const { router } = renderAt("/billing?view=charges");
    expect(await screen.findByRole("heading", { name: "Sign in" })).toBeTruthy();
    expect(router.state.location.search).toBe("?next=%2Fbilling%3Fview%3Dcharges");
    expect(asked("get", "/api/v1/me")).toHaveLength(1);
  });

  test("an outage is not taken for being signed out", async () => {
    refuses("get", "/api/v1/me");
    renderAt("/");
    expect(await screen.findByRole("alert")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
  });

  test.each([
    "https://elsewhere.test/",
    "//elsewhere.test",
    "/\\elsewhere.test",
    "/\t/elsewhere.test",
    "/..//elsewhere.test",
  ])("signing in never leads to %s", async (next) => {
    const { router } = renderAt(`/sign-in?next=${encodeURIComponent(next)}`);
    expect(await screen.findByRole("heading", { name: "Allocations" })).toBeTruthy();
    expect(router.state.location.pathname).toBe("/");
  });
});

test("new terms are asked for on the next page, and accepted there", async () => {
  const terms = { url: "https://sublet.test/terms", version: "2" };
  world.terms = terms;
  world.me.terms_to_accept = terms;
  const { user } = renderAt("/");
  expect(await screen.findByRole("link", { name: "terms (version 2)" })).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "I accept them" }));
  await waitFor(() => expect(screen.queryByRole("link", { name: "terms (version 2)" })).toBeNull());
  expect(asked("post", "/api/v1/me/terms").map(({ body }) => body)).toEqual([{ version: "2" }]);
});

test("the operator console is for operators", async () => {
  renderAt("/operator/nodes");
  expect(await screen.findByRole("heading", { name: "This page is for operators" })).toBeTruthy();
});

describe("signing out", () => {
  test("says so when it did not succeed, and can be tried again", async () => {
    refuses("post", "/api/v1/auth/logout");
    const { user } = renderAt("/");
    await user.click(await screen.findByRole("button", { name: "Account menu" }));
    await user.click(await screen.findByRole("menuitem", { name: "Sign out" }));
    const dialog = within(await screen.findByRole("dialog", { name: "You are still signed in" }));
    expect(dialog.getByText("Request req_42")).toBeTruthy();
    expect(dialog.getByRole("button", { name: "Try again" })).toBeTruthy();
  });
});
