import { screen, waitFor, within } from "@testing-library/react";
import { http, HttpResponse } from "msw";
import { describe, expect, test } from "vitest";
import { page } from "~/testing/fixtures";
import { renderAt } from "~/testing/renderAt";
import { fails, get, problem, server, url } from "~/testing/server";

const key = { id: "key_1", name: "laptop", public_key: "ssh-ed25519 AAAA", fingerprint: "SHA256:abc", created_at: "2026-01-01T00:00:00Z" };
const token = { id: "tok_1", name: "ci", scopes: ["wallet:read"], expires_at: "2030-01-01T00:00:00Z", last_used_at: null, created_at: "2026-01-01T00:00:00Z" };
const session = { id: "ses_1", user_agent: "curl/8", address: "10.0.0.9", current: false, created_at: "2026-01-01T00:00:00Z", last_seen_at: "2026-01-01T00:00:00Z" };

describe("settings", () => {
  test.each([
    ["keys", "/ssh-keys", "No SSH key"],
    ["tokens", "/api-tokens", "No API token"],
    ["sessions", "/auth/sessions", "No session"],
  ])("never show an outage of %s as an empty list", async (view, path, empty) => {
    server.use(fails(path));
    const { user } = renderAt(`/settings?view=${view}`);
    const alert = await screen.findByRole("alert");
    expect(screen.queryByText(empty)).toBeNull();
    server.use(get(path, page()));
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText(empty)).toBeTruthy();
  });

  test.each([
    ["keys", "/ssh-keys", key, "laptop"],
    ["tokens", "/api-tokens", token, "ci"],
    ["sessions", "/auth/sessions", session, "curl/8"],
  ])("walk the list of %s page by page", async (view, path, item, shown) => {
    server.use(
      http.get(url(path), ({ request }) =>
        HttpResponse.json(new URL(request.url).searchParams.get("cursor") === "more" ? page(item) : { ...page(), next_cursor: "more" }),
      ),
    );
    const { user, router } = renderAt(`/settings?view=${view}`);
    await user.click(await screen.findByRole("link", { name: "Next page" }));
    expect(await screen.findByText(shown)).toBeTruthy();
    expect(router.state.location.search).toBe(`?view=${view}&cursor=more`);
  });
});

describe("creating an API token", () => {
  test("asks for the same token again when the first try got no answer", async () => {
    const sent: { key: string | null; body: string }[] = [];
    server.use(
      get("/api-tokens", page()),
      http.post(url("/api-tokens"), async ({ request }) => {
        sent.push({ key: request.headers.get("idempotency-key"), body: await request.text() });
        return sent.length === 1 ? problem(503, "unavailable") : HttpResponse.json({ ...token, token: "sublet_shown_once" }, { status: 201 });
      }),
    );
    const { user } = renderAt("/settings?view=tokens");
    await user.click(await screen.findByRole("button", { name: "Create token" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("Name"), "ci");
    await user.click(dialog.getByLabelText("wallet:read"));
    await user.click(dialog.getByRole("button", { name: "Create token" }));
    await dialog.findByRole("alert");
    await user.click(dialog.getByRole("button", { name: "Create token" }));
    expect(await screen.findByText("sublet_shown_once")).toBeTruthy();
    await waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[1]).toEqual(sent[0]);
  });
});
