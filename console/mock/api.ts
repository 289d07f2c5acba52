/** How the mock answers: one function for a route, whose question and answer have the types that OpenAPI gives them. */
import { HttpResponse, type HttpHandler, http } from "msw";
import type { OperationRequestBodyContent, PathsWithMethod, SuccessResponseJSON } from "openapi-typescript-helpers";
import type { paths } from "~/api/schema";
import { successOf, wrongQuestion } from "./contract";
import { world } from "./world";

export type Method = "get" | "post" | "patch" | "delete";
export type Route<M extends Method> = PathsWithMethod<paths, M>;

type Operation<M extends Method, P extends Route<M>> = paths[P][M] & Record<string | number, unknown>;
type Parameters<O> = O extends { parameters: { path: infer Named } } ? Named : Record<never, never>;

/** What a route answers with when all is well; nothing, where OpenAPI says so. */
export type Answer<M extends Method, P extends Route<M>> = [SuccessResponseJSON<Operation<M, P>>] extends [undefined]
  ? void
  : SuccessResponseJSON<Operation<M, P>>;

export type Question<M extends Method, P extends Route<M>> = {
  path: Parameters<Operation<M, P>>;
  query: URLSearchParams;
  body: OperationRequestBodyContent<Operation<M, P>>;
  request: Request;
};

/** A refusal: thrown by a route, it is answered as problem+json. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail = "Nothing was changed.",
    readonly more: { errors?: { field: string; message: string }[] } = {},
  ) {
    super(code);
  }
}

export const notFound = () => new Refusal(404, "not_found", "There is no such thing. Nothing was changed.");

function problem({ status, code, detail, more }: Refusal): Response {
  const body = { type: `urn:sublet:problem:${code}`, title: "It failed", status, code, detail, request_id: "req_42", ...more };
  return HttpResponse.json(body, { status, headers: { "content-type": "application/problem+json" } });
}

const OPEN = /^\/api\/v1\/auth\/(?:login|signup|terms)$/;

/** Says no to who may not ask this, as the server does before it looks further. */
function admit(path: string): void {
  if (!world.signedIn && !OPEN.test(path)) throw new Refusal(401, "not_authenticated", "Sign in first. Nothing was changed.");
  if (path.startsWith("/api/v1/admin/") && world.me.platform_roles.length === 0) throw new Refusal(403, "permission_denied");
}

async function bodyOf(request: Request): Promise<unknown> {
  const text = await request.text();
  return text === "" ? undefined : JSON.parse(text);
}

/** A repeat of a request, which carries the same key, is answered as the first was, and nothing is done again. */
async function once(request: Request, answer: () => unknown): Promise<unknown> {
  const key = request.headers.get("idempotency-key");
  if (key === null) return answer();
  const known = `${new URL(request.url).pathname} ${key}`;
  if (!world.answered.has(known)) world.answered.set(known, await answer());
  return world.answered.get(known);
}

/** Answers a route of the API. A question that OpenAPI does not allow never gets as far as `answer`. */
export function on<M extends Method, P extends Route<M>>(
  method: M,
  path: P,
  answer: (question: Question<M, P>) => Answer<M, P> | Promise<Answer<M, P>>,
): HttpHandler {
  const address = `*${path.replaceAll(/\{(\w+)\}/g, ":$1")}`;
  return http[method](address, async ({ request, params }) => {
    try {
      admit(path);
      const body = await bodyOf(request.clone());
      const wrong = wrongQuestion(method, path, body);
      if (wrong.length > 0) throw new Refusal(422, "invalid_input", wrong.join("; "));
      const question = { path: params, query: new URL(request.url).searchParams, body, request } as unknown as Question<M, P>;
      const found = await once(request, () => answer(question));
      const status = successOf(method, path);
      return found === undefined ? new HttpResponse(null, { status }) : HttpResponse.json(found as object, { status });
    } catch (refusal) {
      if (refusal instanceof Response) return refusal;
      if (refusal instanceof Refusal) return problem(refusal);
      throw refusal;
    }
  });
}

/** A page of a list, as the query asks for it; its cursor is the place that the next page begins at. */
export function pageOf<T>(items: T[], query: URLSearchParams): { items: T[]; next_cursor: string | null } {
  const from = Number(query.get("cursor") ?? 0);
  const to = from + Math.min(Number(query.get("limit") ?? world.pageLength), world.pageLength);
  return { items: items.slice(from, to), next_cursor: to < items.length ? String(to) : null };
}

/** An id that nothing in a list has yet. */
export function freshId(kind: string, taken: { id: string }[]): string {
  let number = taken.length + 1;
  while (taken.some(({ id }) => id === `${kind}_${number}`)) number += 1;
  return `${kind}_${number}`;
}
