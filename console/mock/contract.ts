/** The API as `openapi.json` describes it: which routes there are, and what their answers and questions may look like. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import addFormats from "ajv-formats";
import Ajv2020, { type ValidateFunction } from "ajv/dist/2020";

type Content = { content?: Record<string, unknown> };
type Operation = { responses: Record<string, Content>; requestBody?: Content };
type Document = { paths: Record<string, Record<string, Operation>>; components: unknown };

const text = readFileSync(join(import.meta.dirname, "../openapi.json"), "utf8");
const openapi = closed(JSON.parse(text)) as Document;

/** A shape that lists its fields has no others: what an answer has beyond them would be a promise of the mock alone. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== "object" || node === null) return node;
  const inside = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  return inside.type === "object" && "properties" in inside ? { additionalProperties: false, ...inside } : inside;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addFormat("password", true);
ajv.addSchema(openapi, "openapi", undefined, false);

const compiled = new Map<string, ValidateFunction>();

function validator(...steps: string[]): ValidateFunction {
  const pointer = steps.map((step) => encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/");
  const known = compiled.get(pointer) ?? ajv.compile({ $ref: `openapi#/paths/${pointer}` });
  compiled.set(pointer, known);
  return known;
}

function wrong(validate: ValidateFunction, body: unknown): string[] {
  return validate(body) ? [] : (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath || "/"} ${message} ${JSON.stringify(params)}`);
}

const PATTERNS = Object.keys(openapi.paths).map((path): [string, RegExp] => [path, new RegExp(`^${path.replaceAll(/\{\w+\}/g, "([^/]+)")}$`)]);

/** The route that an address is of; one without parameters goes before one that would take its last part for one. */
export function routeOf(method: string, pathname: string): string | null {
  const found = PATTERNS.filter(([path, pattern]) => pattern.test(pathname) && openapi.paths[path]?.[method] !== undefined);
  return found.toSorted(([a], [b]) => a.split("{").length - b.split("{").length)[0]?.[0] ?? null;
}

function operation(method: string, path: string): Operation {
  const found = openapi.paths[path]?.[method];
  if (found === undefined) throw new Error(`OpenAPI knows no ${method.toUpperCase()} ${path}.`);
  return found;
}

/** The status that a route answers with when all is well. */
export function successOf(method: string, path: string): number {
  return Number(Object.keys(operation(method, path).responses).find((status) => /^[23]\d\d$/.test(status)));
}

/** What is wrong with an answer of a route; nothing, if OpenAPI allows it. */
export function wrongAnswer(method: string, path: string, status: number, body: unknown): string[] {
  const { responses } = operation(method, path);
  const kind = [String(status), `${String(status)[0]}XX`].find((name) => name in responses);
  if (kind === undefined) return [`The route never answers with ${status}.`];
  const type = Object.keys(responses[kind]?.content ?? {}).find((name) => name.endsWith("json"));
  if (type === undefined) return body === undefined ? [] : ["The route answers without a body."];
  return wrong(validator(path, method, "responses", kind, "content", type, "schema"), body);
}

/** What is wrong with the body of a request. */
export function wrongQuestion(method: string, path: string, body: unknown): string[] {
  if (operation(method, path).requestBody === undefined) return body === undefined ? [] : ["The route takes no body."];
  return wrong(validator(path, method, "requestBody", "content", "application/json", "schema"), body);
}
