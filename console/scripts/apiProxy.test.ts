// @vitest-environment node
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer } from "vite";
import { afterEach, describe, expect, test } from "vitest";
import { apiProxy } from "./apiProxy";

const closing: (() => Promise<unknown>)[] = [];

afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

/** An API that answers with the origin it was asked from, behind a development server. */
async function development() {
  const api = createHttpServer((request, answer) => answer.end(request.headers.origin ?? "none"));
  await new Promise<void>((done) => api.listen(0, "127.0.0.1", done));
  closing.push(() => new Promise((done) => api.close(done)));
  const target = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const vite = await createServer({
    configFile: false,
    logLevel: "silent",
    optimizeDeps: { noDiscovery: true },
    server: { host: "127.0.0.1", port: 0, watch: null, hmr: false, ws: false, proxy: { "/api": apiProxy(target) } },
  });
  await vite.listen();
  closing.push(() => vite.close());
  const { port } = vite.httpServer!.address() as AddressInfo;
  const own = `http://127.0.0.1:${port}`;
  const seen = async (headers: Record<string, string>) => (await fetch(`${own}/api/v1/me`, { headers })).text();
  return { target, own, seen };
}

describe("the development server", () => {
  test("asks the API as a page of the API's own address, for its own pages only", async () => {
    const { target, own, seen } = await development();
    expect(await seen({ origin: own })).toBe(target);
    expect(await seen({ origin: "https://evil.example" })).toBe("https://evil.example");
    expect(await seen({})).toBe("none");
  });
});
