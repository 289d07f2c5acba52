/** A mock of the API: an account with money and nothing running. Tests replace single answers. */
import { http, HttpResponse, ws } from "msw";
import { setupServer } from "msw/node";
import { me, offer, page, wallet } from "./fixtures";

export const url = (path: string) => `http://console.test/api/v1${path}`;

export const get = (path: string, body: unknown) => http.get(url(path), () => HttpResponse.json(body as object));

export const problem = (status: number, code: string, extra: object = {}) =>
  HttpResponse.json(
    { type: `urn:sublet:problem:${code}`, title: "It failed", status, code, detail: "Nothing was changed.", request_id: "req_42", ...extra },
    { status, headers: { "content-type": "application/problem+json" } },
  );

export const fails = (path: string, status = 503, code = "unavailable") => http.get(url(path), () => problem(status, code));

/** The events channel: open, and silent unless a test speaks through it. */
export const channel = ws.link("ws://console.test/api/v1/events");

export const server = setupServer(
  get("/me", me),
  get("/organizations/org_1/members", page({ user_id: "usr_2", email: "bob@example.com", name: "Bob", role: "member" })),
  get("/wallet", wallet),
  get("/wallet/entries", page()),
  get("/offers", page(offer)),
  get("/allocations", page()),
  get("/top-ups", page()),
  get("/usage", page()),
  channel.addEventListener("connection", () => undefined),
);
