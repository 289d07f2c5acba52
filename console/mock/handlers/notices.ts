/** What one was told, and whether one's address is known to be one's own. */
import { may, mayNot } from "../fixtures/common";
import { notFound, on, pageOf, Refusal } from "../api";
import { world } from "../world";

const now = () => new Date().toISOString();

function read(id: string): number {
  const place = world.notices.findIndex((notice) => notice.id === id);
  if (place < 0) throw notFound();
  return place;
}

const email = () => ({
  email: world.me.user.email,
  verified_at: world.me.user.email_verified ? "2026-01-01T00:00:00Z" : null,
  actions: world.me.user.email_verified ? mayNot("It is known already that this address is yours.", "verify") : may("verify"),
});

export const notices = [
  on("get", "/api/v1/notices/unread", () => ({ count: world.notices.filter(({ read_at }) => read_at === null).length })),
  on("get", "/api/v1/notices/preferences", () => ({ items: world.preferences })),
  on("get", "/api/v1/notices", ({ query }) => pageOf(world.notices, query)),
  on("post", "/api/v1/notices/read", ({ body }) => {
    const from = read(body.up_to);
    const unread = world.notices.filter(({ read_at }, place) => place >= from && read_at === null).length;
    world.notices = world.notices.map((notice, place) => (place >= from ? { ...notice, read_at: notice.read_at ?? now() } : notice));
    return { marked: unread };
  }),
  on("post", "/api/v1/notices/{notice_id}/read", ({ path }) => {
    const marked = read(path.notice_id);
    world.notices = world.notices.map((notice, place) => (place === marked ? { ...notice, read_at: notice.read_at ?? now() } : notice));
  }),
  on("patch", "/api/v1/notices/preferences", ({ body }) => {
    const known = world.preferences.find(({ kind }) => kind === body.kind);
    if (known === undefined) throw notFound();
    if (known.actions.some(({ allowed }) => !allowed)) throw new Refusal(409, "notice_is_fixed", "Everybody it concerns is told. Nothing was changed.");
    world.preferences = world.preferences.map((one) =>
      one === known ? { ...one, inbox: body.inbox ?? one.inbox, email: body.email ?? one.email } : one,
    );
    return { items: world.preferences };
  }),

  on("get", "/api/v1/me/email", email),
  on("post", "/api/v1/me/email/verifications", email),
  on("post", "/api/v1/me/email/confirmation", ({ body }) => {
    if (body.secret !== "right") throw new Refusal(409, "verification_not_valid", "This link was used already, or is older than a day. Nothing was changed.");
    world.me.user = { ...world.me.user, email_verified: true };
    return email();
  }),
];
