/** Who one is, and what belongs to an account. */
import { freshId, notFound, on, pageOf, Refusal } from "../api";
import { apiToken, sshKey } from "../fixtures/account";
import { may } from "../fixtures/common";
import { world } from "../world";

const now = () => new Date().toISOString();

/** A copy of a list without the one of an id, which must be there. */
function without<T extends { id: string }>(items: T[], id: string): T[] {
  if (!items.some((item) => item.id === id)) throw notFound();
  return items.filter((item) => item.id !== id);
}

export const account = [
  on("get", "/api/v1/me", () => world.me),
  on("get", "/api/v1/auth/terms", () => ({ terms: world.terms })),
  on("post", "/api/v1/me/terms", ({ body }) => {
    if (world.terms !== null && world.terms.version !== body.version) throw new Refusal(409, "terms_changed", "Other terms are in force.");
    world.me.terms_to_accept = null;
    return world.me;
  }),
  on("post", "/api/v1/auth/login", ({ body }) => {
    if (body.email.startsWith("nobody")) throw new Refusal(401, "wrong_credentials", "Email or password is wrong.");
    world.signedIn = true;
    return world.me;
  }),
  on("post", "/api/v1/auth/signup", ({ body }) => {
    world.signedIn = true;
    world.me.user = { ...world.me.user, email: body.email, name: body.name };
    return world.me;
  }),
  on("post", "/api/v1/auth/logout", () => {
    world.signedIn = false;
  }),
  on("get", "/api/v1/organizations/{organization_id}/members", ({ query }) => pageOf(world.members, query)),

  on("get", "/api/v1/auth/sessions", ({ query }) => pageOf(world.sessions, query)),
  on("delete", "/api/v1/auth/sessions/{session_id}", ({ path }) => {
    world.sessions = without(world.sessions, path.session_id);
  }),

  on("get", "/api/v1/ssh-keys", ({ query }) => ({ ...pageOf(world.sshKeys, query), actions: may("add") })),
  on("post", "/api/v1/ssh-keys", ({ body }) => {
    const added = { ...sshKey, ...body, id: freshId("key", world.sshKeys), created_at: now() };
    world.sshKeys = [added, ...world.sshKeys];
    return added;
  }),
  on("delete", "/api/v1/ssh-keys/{key_id}", ({ path }) => {
    world.sshKeys = without(world.sshKeys, path.key_id);
  }),

  on("get", "/api/v1/api-tokens", ({ query }) => ({ ...pageOf(world.apiTokens, query), actions: may("create") })),
  on("post", "/api/v1/api-tokens", ({ body }) => {
    const created = { ...apiToken, ...body, id: freshId("tok", world.apiTokens), created_at: now() };
    world.apiTokens = [created, ...world.apiTokens];
    return { ...created, token: "sublet_shown_once" };
  }),
  on("delete", "/api/v1/api-tokens/{token_id}", ({ path }) => {
    world.apiTokens = without(world.apiTokens, path.token_id);
  }),
];
