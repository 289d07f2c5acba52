// @vitest-environment node
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build, createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { mockApi } from "./mockApi";
import { noMock } from "./noMock";

const root = fileURLToPath(new URL("..", import.meta.url));
const alias = { "~": `${root}src`, "~mock": `${root}mock` };
const common = { root, configFile: false, logLevel: "silent", resolve: { alias } } as const;

describe("the development server with the mock", () => {
  let vite: ViteDevServer;
  let host: string;

  beforeAll(async () => {
    const server = { host: "127.0.0.1", port: 0, watch: null, hmr: false, ws: false } as const;
    vite = await createServer({ ...common, optimizeDeps: { noDiscovery: true }, server, plugins: [mockApi()] });
    await vite.listen();
    host = `127.0.0.1:${(vite.httpServer!.address() as AddressInfo).port}`;
  });

  afterAll(() => vite.close());

  /** A socket, and all that it heard. */
  async function socket(path: string) {
    const opened = new WebSocket(`ws://${host}/api/v1/${path}`);
    const heard: string[] = [];
    opened.on("message", (data) => heard.push(String(data)));
    await new Promise((done) => opened.once("open", done));
    return { opened, heard };
  }

  test("answers for the API, remembers what was done, and knows nothing else", async () => {
    const key = { name: "desk", public_key: "ssh-ed25519 AAAA" };
    const added = await fetch(`http://${host}/api/v1/ssh-keys`, { method: "POST", body: JSON.stringify(key) });
    expect(added.status).toBe(201);
    const { items } = (await (await fetch(`http://${host}/api/v1/ssh-keys`)).json()) as { items: { name: string }[] };
    expect(items.map(({ name }) => name)).toEqual(["desk", "laptop"]);
    expect((await fetch(`http://${host}/api/v1/nowhere`)).status).toBe(404);
  });

  test("tells on the events channel what happens", async () => {
    const { opened, heard } = await socket("events");
    await fetch(`http://${host}/api/v1/admin/nodes/nd_1/cordon`, { method: "POST" });
    await expect.poll(() => heard.map((event) => JSON.parse(event).type)).toContain("node.state_changed");
    opened.close();
  });

  test("opens a terminal that repeats what is typed, until it is left", async () => {
    const { opened, heard } = await socket("allocations/al_1/terminal");
    const closed = new Promise((done) => opened.once("close", done));
    opened.send(JSON.stringify({ type: "open", cols: 80, rows: 24 }));
    opened.send(Buffer.from("lz\u007fs\r"));
    await expect.poll(() => heard.join("")).toContain("“ls” was not run");
    opened.send(Buffer.from("exit\r"));
    expect(await closed).toBe(1000);
    expect(heard.at(-1)).toBe('{"type":"exit","status":0}');
  });
});

/** Builds a console that has one file, without writing it. */
function built(path: string) {
  const id = `${root}${path}`;
  const planted = { name: "planted", resolveId: () => id, load: () => "console.log(1);" };
  return build({ ...common, plugins: [noMock(), planted], build: { write: false, rollupOptions: { input: "planted" } } });
}

describe("a build", () => {
  test.each(["mock/world.ts", "src/testing/setup.ts", "node_modules/msw/lib/core/index.js"])("is refused with %s in it", async (path) => {
    await expect(built(path)).rejects.toThrow("for its development");
  });

  test("of the console's own parts passes", async () => {
    await expect(built("src/paths.ts")).resolves.toBeTruthy();
  });
});
