/** The one place that turns a failure, of whatever kind, into what a page shows. */
import { t } from "./messages";

export type FieldError = { field: string; message: string };

/** A failure as a person meets it: what happened, what to do, and the id to quote. */
export class Problem extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly requestId: string | null = null,
    readonly fields: FieldError[] = [],
  ) {
    super(detail);
    this.name = "Problem";
  }
}

const OFFLINE = "offline";

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    const { field, message } = (item ?? {}) as Record<string, unknown>;
    return typeof field === "string" && typeof message === "string" ? [{ field: field.replace(/^body\./, ""), message }] : [];
  });
}

/** Reads problem+json; an answer that is something else (a proxy's page) still becomes a Problem. */
export async function problemFromResponse(response: Response): Promise<Problem> {
  const id = response.headers.get("x-request-id");
  const found: unknown = await response.json().catch(() => null);
  if (typeof found !== "object" || found === null) {
    return new Problem("unreadable", response.status, t.errors.unreadable.title, t.errors.unreadable.detail, id);
  }
  const problem = found as Record<string, unknown>;
  return new Problem(
    text(problem.code, "unreadable"),
    response.status,
    text(problem.title, t.errors.unreadable.title),
    text(problem.detail, t.errors.unreadable.detail),
    text(problem.request_id, "") || id,
    fieldErrors(problem.errors),
  );
}

/** A request that got no answer at all. An abandoned request stays what it is. */
export function problemFromNetwork(error: unknown): Error {
  if (error instanceof Problem) return error;
  if (error instanceof DOMException && error.name === "AbortError") return error;
  return new Problem(OFFLINE, 0, t.errors.offline.title, t.errors.offline.detail);
}

/** Any thrown thing as a Problem. */
export function problemOf(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem("crashed", 0, t.errors.crashed.title, t.errors.crashed.detail);
}

export function isUnauthenticated(error: unknown): boolean {
  return error instanceof Problem && error.status === 401;
}

/** Whether asking again may help: no answer, a fault on the other side, or a closed throttle. */
export function isTransient(error: unknown): boolean {
  return error instanceof Problem && (error.status === 0 || error.status >= 500 || error.status === 429);
}
