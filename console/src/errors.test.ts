import { describe, expect, test } from "vitest";
import { isTransient, Problem, problemFromNetwork, problemFromResponse, problemOf } from "./errors";

const answer = (body: string, status = 409, headers: Record<string, string> = {}) => new Response(body, { status, headers });

describe("problemFromResponse", () => {
  test("keeps code, detail, request id and the fields at fault", async () => {
    const body = { code: "conflict", title: "Taken", detail: "The name is taken.", request_id: "req_1", errors: [{ field: "body.name", message: "Taken." }] };
    const problem = await problemFromResponse(answer(JSON.stringify(body)));
    expect(problem).toMatchObject({ code: "conflict", status: 409, title: "Taken", requestId: "req_1", fields: [{ field: "name", message: "Taken." }] });
  });

  test("makes a problem of an answer that is not ours, with the id from its header", async () => {
    const problem = await problemFromResponse(answer("<h1>Bad gateway</h1>", 502, { "x-request-id": "req_2" }));
    expect(problem).toMatchObject({ code: "unreadable", status: 502, requestId: "req_2" });
    expect(isTransient(problem)).toBe(true);
  });

  test.each(["null", "[]", '{"errors":[null,{"field":1}]}'])("survives the odd body %s", async (body) => {
    expect((await problemFromResponse(answer(body))).fields).toEqual([]);
  });
});

describe("problemFromNetwork", () => {
  test("is told apart from a refusal", () => {
    expect(problemFromNetwork(new TypeError("fetch failed"))).toMatchObject({ code: "offline", status: 0 });
  });

  test("leaves a problem and an abandoned request as they are", () => {
    const refused = new Problem("conflict", 409, "t", "d");
    const abandoned = new DOMException("gone", "AbortError");
    expect(problemFromNetwork(refused)).toBe(refused);
    expect(problemFromNetwork(abandoned)).toBe(abandoned);
  });
});

test("a fault of the console itself is a problem too, without its internals", () => {
  expect(problemOf(new TypeError("x is undefined")).detail).not.toContain("undefined");
});
