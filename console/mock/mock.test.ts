// @vitest-environment node
/** The mock against OpenAPI: each of its routes answers what the API may answer, for an account with something of everything. */
import { getResponse } from "msw";
import { beforeEach, describe, expect, test } from "vitest";
import { busy } from "./busy";
import { routeOf, wrongAnswer, wrongQuestion } from "./contract";
import { follow } from "./events";
import { entry } from "./fixtures/billing";
import { handlers } from "./handlers";
import { begin, world } from "./world";

const NOW = Date.parse("2026-11-28T12:00:00Z");

beforeEach(() => begin({ ...busy(NOW), stepMs: null }));

/** Asks the mock, and says what it answered and what is wrong with that. */
async function ask(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const address = `http://mock.test/api/v1${path}`;
  const response = await getResponse(handlers, new Request(address, { method, headers, ...(body && { body: JSON.stringify(body) }) }));
  const route = routeOf(method.toLowerCase(), new URL(address).pathname);
  if (response === undefined || route === null) throw new Error(`Nobody answers ${method} ${path}.`);
  const text = await response.text();
  const found = text === "" ? undefined : JSON.parse(text);
  return { route: `${method} ${route}`, status: response.status, body: found, wrong: wrongAnswer(method.toLowerCase(), route, response.status, found) };
}

/** One question for each route; those that change something come after those that read. */
const QUESTIONS: [method: string, path: string, body?: object][] = [
  ["GET", "/me"],
  ["GET", "/organizations/org_1/members"],
  ["GET", "/auth/sessions"],
  ["GET", "/ssh-keys"],
  ["GET", "/api-tokens"],
  ["GET", "/wallet"],
  ["GET", "/wallet/entries"],
  ["GET", "/usage"],
  ["GET", "/usage/by-day?month=2026-01"],
  ["GET", "/top-ups"],
  ["GET", "/top-ups/tu_1"],
  ["GET", "/top-ups/tu_1/return"],
  ["GET", "/payment-methods"],
  ["GET", "/payment-method-setups/su_1"],
  ["GET", "/auto-top-up"],
  ["GET", "/spending-limits"],
  ["GET", "/offers"],
  ["GET", "/allocations?include_ended=true"],
  ["GET", "/allocations/al_1"],
  ["GET", "/allocations/al_1/charges"],
  ["GET", "/allocations/al_1/history"],
  ["GET", "/allocations/al_1/startup"],
  ["GET", "/admin/allocations"],
  ["GET", "/admin/nodes"],
  ["GET", "/admin/nodes/nd_1"],
  ["GET", "/admin/helper-versions"],
  ["GET", "/admin/helper-drift"],
  ["GET", "/admin/helper-rollouts"],
  ["GET", "/admin/helper-rollouts/hro_3"],
  ["GET", "/admin/helper-rollouts/hro_3/nodes"],
  ["GET", "/admin/approvals?state=requested"],
  ["GET", "/admin/skus"],
  ["GET", "/admin/skus/sku_1"],
  ["GET", "/admin/prices?sku_id=sku_1"],
  ["GET", "/credits"],
  ["GET", "/usage/1"],
  ["GET", "/payments"],
  ["GET", "/refunds"],
  ["GET", "/refund-requests"],
  ["GET", "/admin/organizations"],
  ["GET", "/admin/payments?organization_id=org_1"],
  ["GET", "/admin/refunds?state=failed"],
  ["GET", "/admin/refund-requests?state=requested"],
  ["GET", "/admin/disputes"],
  ["GET", "/admin/disputes/dsp_1/evidence"],
  ["POST", "/admin/disputes/dsp_1/evidence", { note: "She used it." }],
  ["GET", "/admin/credits"],
  ["GET", "/admin/credit-budget"],
  ["GET", "/admin/promo-codes"],
  ["GET", "/admin/payouts?state=failed"],
  ["GET", "/admin/payouts/po_1"],
  ["GET", "/admin/payouts/po_1/transactions"],
  ["GET", "/admin/findings?state=open"],
  ["GET", "/admin/finding-owners"],
  ["GET", "/admin/findings/fnd_1"],
  ["GET", "/admin/months"],
  ["GET", "/admin/months/2026-10"],
  ["GET", "/admin/reports/trial-balance"],
  ["GET", "/admin/reports/deferred-revenue"],
  ["GET", "/admin/reports/revenue?first=2026-10&last=2026-11"],
  ["GET", "/admin/reports/statement?organization_id=org_1&currency=USD&since=2026-11-01T00:00:00Z"],
  ["GET", "/admin/reports/unmetered?since=2026-11-01T00:00:00Z"],
  ["POST", "/auth/signup", { email: "eve@example.com", password: "a long enough one", name: "Eve" }],
  ["POST", "/auth/login", { email: "ada@example.com", password: "a long enough one" }],
  ["POST", "/auth/logout"],
  ["GET", "/auth/terms"],
  ["POST", "/me/terms", { version: "1" }],
  ["DELETE", "/auth/sessions/ses_1"],
  ["POST", "/ssh-keys", { name: "desk", public_key: "ssh-ed25519 AAAA" }],
  ["DELETE", "/ssh-keys/key_1"],
  ["POST", "/api-tokens", { name: "bot", scopes: ["wallet:read"], expires_at: "2030-01-01T00:00:00Z" }],
  ["DELETE", "/api-tokens/tok_1"],
  ["POST", "/top-ups", { amount: "20.00", currency: "USD", return_path: "/billing" }],
  ["POST", "/top-ups/tu_3/confirm"],
  ["POST", "/payment-methods", { return_path: "/billing" }],
  ["POST", "/payment-methods/card_2/default"],
  ["DELETE", "/payment-methods/card_2"],
  ["PATCH", "/auto-top-up", { currency: "USD", threshold: "10.00", amount: "20.00", monthly_cap: "200.00" }],
  ["DELETE", "/auto-top-up"],
  ["PATCH", "/spending-limits/day", { amount: "20.00", currency: "USD" }],
  ["DELETE", "/spending-limits/day?currency=USD"],
  ["POST", "/allocations", { offer_id: "sku_1", name: "fresh" }],
  ["PATCH", "/allocations/al_1", { labels: { team: "physics" } }],
  ["POST", "/allocations/al_1/ports", { port: 8080, protocol: "tcp" }],
  ["DELETE", "/allocations/al_1/ports/prt_1"],
  ["POST", "/allocations/al_1/release"],
  ["POST", "/allocations/al_1/suspend"],
  ["POST", "/allocations/paused-lab/resume"],
  ["POST", "/allocations/out-of-sight/restart-elsewhere", { price_id: "prc_1" }],
  ["POST", "/refund-requests", { top_up_id: "tu_4", amount: "5.00", reason: "too much" }],
  ["POST", "/refund-requests/rrq_1/withdraw"],
  ["POST", "/admin/refund-requests/rrq_1/grant", { decision: "of course" }],
  ["POST", "/admin/refund-requests/rrq_1/decline", { decision: "it ran" }],
  ["POST", "/admin/refunds", { top_up_id: "tu_4", amount: "5.00", reason: "too much" }],
  ["POST", "/admin/adjustments", { organization_id: "org_1", direction: "give", amount: "5.00", currency: "USD", reason: "sorry" }],
  ["POST", "/admin/findings/fnd_1/assign", { owner_id: "usr_1" }],
  ["POST", "/promo-codes/redeem", { code: "SPRING-7Q4M-X2" }],
  ["POST", "/admin/credits", { organization_id: "org_1", amount: "5.00", currency: "USD", valid_days: null, reason: "Welcome" }],
  ["POST", "/admin/promo-codes", { code: "AUTUMN-7Q4M-X2", amount: "5.00", currency: "USD", most_uses: 10, days: 7, valid_days: 30, reason: "A fair" }],
  ["POST", "/admin/promo-codes/prm_1/end"],
  ["POST", "/admin/findings/fnd_1/resolve", { reason: "looked at it" }],
  ["POST", "/admin/months/2026-10/close"],
  ["POST", "/admin/nodes", { name: "node-z", address: "10.0.0.9" }],
  ["PATCH", "/admin/nodes/nd_1", { name: "node-y", port: 2222 }],
  ["DELETE", "/admin/nodes/nd_7"],
  ["GET", "/notices"],
  ["GET", "/notices/unread"],
  ["GET", "/notices/preferences"],
  ["POST", "/notices/ntc_1/read"],
  ["POST", "/notices/read", { up_to: "ntc_1" }],
  ["PATCH", "/notices/preferences", { kind: "wallet.low", email: false }],
  ["GET", "/me/email"],
  ["POST", "/me/email/verifications"],
  ["POST", "/me/email/confirmation", { secret: "right" }],
  ["POST", "/admin/nodes/nd_1/cordon"],
  ["POST", "/admin/nodes/nd_1/uncordon"],
  ["POST", "/admin/nodes/nd_1/drain", { reason: "a fan", deadline_seconds: 60, credit_seconds: 0 }],
  ["POST", "/admin/nodes/nd_1/stop-drain", { reason: "a fan" }],
  ["POST", "/admin/nodes/nd_1/maintenance", { reason: "a fan" }],
  ["POST", "/admin/nodes/nd_1/quarantine", { reason: "a fan" }],
  ["POST", "/admin/nodes/nd_1/self-test"],
  ["POST", "/admin/nodes/nd_1/put-back", { reason: "a fan" }],
  ["POST", "/admin/nodes/nd_1/retire", { reason: "a fan" }],
  ["POST", "/admin/nodes/nd_1/force-release", { reason: "a fan", credit_seconds: 0 }],
  ["POST", "/admin/nodes/nd_1/ports", { range: { first: 30000, last: 30100 } }],
  ["POST", "/admin/helper-rollouts", { canary: "nd_1" }],
  ["POST", "/admin/helper-rollouts/hro_3/stop", { reason: "wrong day" }],
  ["POST", "/admin/approvals/apr_1/approve", { reason: "I saw the smoke" }],
  ["POST", "/admin/approvals/apr_1/reject", { reason: "It is only a cable" }],
  ["POST", "/admin/nodes/nd_1/join-token"],
  ["POST", "/admin/nodes/nd_1/gpus/GPU-quarantined/clear", { reason: "reset it" }],
  ["POST", "/admin/nodes/nd_1/gpus/GPU-available/quarantine", { reason: "it errs" }],
  ["POST", "/admin/skus", { code: "cpu-new", name: "New", vcpu: 1, memory_mib: 1024, disk_gib: 10 }],
  ["PATCH", "/admin/skus/sku_1", { active: false }],
  ["POST", "/admin/prices", { sku_id: "sku_1", per_hour: "0.5", suspended_claim: "always", suspended_per_hour: "0.1", currency: "USD" }],
];

describe("the mock", () => {
  test.each(QUESTIONS)("answers %s %s as OpenAPI says", async (method, path, body) => {
    const { status, wrong } = await ask(method, path, body);
    expect(wrong).toEqual([]);
    expect(status).toBeLessThan(400);
  });

  test("is asked for each of its routes here", async () => {
    const asked = QUESTIONS.map(([method, path]) => `${method} ${routeOf(method.toLowerCase(), `/api/v1${path.replace(/\?.*/, "")}`)}`);
    const served = handlers.map(({ info }) => `${info.method} ${String(info.path).slice(1).replaceAll(/:(\w+)/g, "{$1}")}`);
    expect(asked.toSorted()).toEqual(served.toSorted());
  });

  test.each([
    ["401 to who is signed out", () => { world.signedIn = false; }, "/wallet", 401],
    ["403 to who is no operator", () => { world.me.platform_roles = []; }, "/admin/nodes", 403],
    ["404 for what is not there", () => undefined, "/allocations/al_none", 404],
  ])("answers %s, as OpenAPI says", async (_what, given, path, expected) => {
    given();
    const { status, wrong } = await ask("GET", path);
    expect([status, wrong]).toEqual([expected, []]);
  });

  test("refuses a question that OpenAPI does not allow, and does nothing", async () => {
    const { status, wrong } = await ask("POST", "/ssh-keys", { name: "desk" });
    expect([status, wrong, world.sshKeys.length]).toEqual([422, [], 1]);
  });

  test("does once what is asked twice with one key", async () => {
    const question = ["POST", "/allocations", { offer_id: "sku_1", name: "fresh" }, { "idempotency-key": "k1" }] as const;
    const [first, second] = [await ask(...question), await ask(...question)];
    expect(second.body).toEqual(first.body);
    expect(world.allocations.filter(({ name }) => name === "fresh")).toHaveLength(1);
  });

  test("lets work go on by itself, and tells of it", async () => {
    world.stepMs = 1;
    const told: string[] = [];
    const stop = follow(({ type }) => told.push(type));
    const { body } = await ask("POST", "/allocations", { offer_id: "sku_1" });
    await expect.poll(async () => (await ask("GET", `/allocations/${body.id}`)).body.state).toBe("active");
    await ask("POST", `/allocations/${body.id}/release`);
    await expect.poll(async () => (await ask("GET", `/allocations/${body.id}`)).body.evidence?.clean).toBe(true);
    stop();
    expect(told.filter((type) => type.startsWith("allocation."))).toEqual(
      ["created", "provisioning", "active", "releasing", "released"].map((state) => `allocation.${state}`),
    );
  });
});

describe("the contract", () => {
  const ENTRIES = ["get", "/api/v1/wallet/entries", 200] as const;

  test.each([
    ["misses a field", { items: [{ ...entry, amount: undefined }], next_cursor: null }],
    ["has a field that is not promised", { items: [{ ...entry, colour: "red" }], next_cursor: null }],
    ["has a value of another kind", { items: [{ ...entry, purpose_count: "1" }], next_cursor: null }],
    ["names a state that there is none of", { items: [{ ...entry, account: "mattress" }], next_cursor: null }],
    ["has a time that is none", { items: [{ ...entry, recorded_at: "yesterday" }], next_cursor: null }],
    ["is not there", undefined],
  ])("notices an answer that %s", (_what, body) => {
    expect(wrongAnswer(...ENTRIES, { items: [entry], next_cursor: null })).toEqual([]);
    expect(wrongAnswer(...ENTRIES, body)).not.toEqual([]);
  });

  test("notices a status, a body and a question that the API does not know", () => {
    expect(wrongAnswer("get", "/api/v1/wallet/entries", 201, { items: [], next_cursor: null })).not.toEqual([]);
    expect(wrongAnswer("delete", "/api/v1/ssh-keys/{key_id}", 204, {})).not.toEqual([]);
    expect(wrongQuestion("post", "/api/v1/top-ups", { amount: "20.00", currency: "USD", return_path: "https://elsewhere.test/" })).not.toEqual([]);
    expect(wrongQuestion("post", "/api/v1/auth/logout", {})).not.toEqual([]);
  });
});
