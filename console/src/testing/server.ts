/** The mock API as tests use it: a quiet account, of which a test changes what it is about, or how a route answers. */
import { delay, ws } from "msw";
import { setupServer } from "msw/node";
import { type Answer, type Method, on, Refusal, type Route } from "~mock/api";
import { routeOf, wrongAnswer } from "~mock/contract";
import { follow } from "~mock/events";
import { handlers } from "~mock/handlers";

/** The events channel: open, and it tells what the mock tells. */
export const channel = ws.link("ws://console.test/api/v1/events");

export const server = setupServer(
  ...handlers,
  channel.addEventListener("connection", ({ client }) => {
    const stop = follow((event) => client.send(JSON.stringify(event)));
    client.addEventListener("close", stop);
  }),
);

/** Makes a route answer so; with several answers one after the other, of which the last stays. */
export function answers<M extends Method, P extends Route<M>>(method: M, path: P, ...given: Answer<M, P>[]): void {
  let times = 0;
  server.use(
    on(method, path, () => {
      times += 1;
      return given[Math.min(times, given.length) - 1] as Answer<M, P>;
    }),
  );
}

type Complaints = { errors?: { field: string; message: string }[] };

/** Makes a route refuse; without more said, because a part that it needs does not answer. */
export function refuses<M extends Method>(method: M, path: Route<M>, status = 503, code = "unavailable", more: Complaints = {}): void {
  server.use(
    on(method, path, () => {
      throw new Refusal(status, code, undefined, more);
    }),
  );
}

/** Makes a route never answer. */
export function hangs<M extends Method>(method: M, path: Route<M>): void {
  server.use(
    on(method, path, async () => {
      await delay("infinite");
      throw new Refusal(500, "never");
    }),
  );
}

type Asked = { method: string; route: string | null; key: string | null; query: URLSearchParams; body: unknown };

let log: Asked[] = [];
let checks: Promise<string[]>[] = [];

/** What a route was asked in this test, in order. */
export function asked<M extends Method>(method: M, path: Route<M>): Asked[] {
  return log.filter((one) => one.method === method && one.route === path);
}

/** All that was read in this test, each route as often as it was asked. */
export function askedRoutes(): unknown[] {
  return log.filter(({ method }) => method === "get").map(({ route }) => route).toSorted();
}

function read(text: string): unknown {
  return text === "" ? undefined : JSON.parse(text);
}

server.events.on("request:start", ({ request }) => {
  const { pathname, searchParams } = new URL(request.url);
  const method = request.method.toLowerCase();
  const one: Asked = { method, route: routeOf(method, pathname), key: request.headers.get("idempotency-key"), query: searchParams, body: undefined };
  log.push(one);
  void request.clone().text().then((text) => Object.assign(one, { body: read(text) }));
});

async function wrongIn(request: Request, response: Response): Promise<string[]> {
  const method = request.method.toLowerCase();
  const route = routeOf(method, new URL(request.url).pathname);
  const body = read(await response.clone().text());
  const wrong = route === null ? ["OpenAPI does not know this route."] : wrongAnswer(method, route, response.status, body);
  return wrong.map((what) => `${request.method} ${request.url}: ${what}`);
}

server.events.on("response:mocked", ({ request, response }) => void checks.push(wrongIn(request, response)));

/** What the mock answered in this test against OpenAPI; then it is forgotten, and what was asked too. */
export async function wrongAnswers(): Promise<string[]> {
  const found = (await Promise.all(checks)).flat();
  [log, checks] = [[], []];
  return found;
}
