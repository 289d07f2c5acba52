import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { apiProxy } from "./scripts/apiProxy.ts";
import { mockApi } from "./scripts/mockApi.ts";
import { noMock } from "./scripts/noMock.ts";

/**
 * sonner writes its stylesheet into the page when it is imported, which our content security policy refuses.
 * We import the same sheet as a file instead, and take the call out.
 */
function sonnerWithoutInlineStyle(): Plugin {
  return {
    name: "sonner-without-inline-style",
    transform(code, id) {
      if (!/sonner\/dist\/index\.mjs/.test(id)) return null;
      return { code: code.replace(/^__insertCSS\(".*"\);?$/m, ""), map: null };
    },
  };
}

const folder = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

/** A class is called for its component and its place there. All sheets have names of their own, which a test sees to. */
const scopedName = (local: string, file: string) => `${basename(file).replace(/\.module\.css.*/, "")}_${local}`;

const server = "http://127.0.0.1:8000";

export default defineConfig(({ mode }) => ({
  plugins: [react(), sonnerWithoutInlineStyle(), mode === "mock" ? mockApi() : noMock()],
  resolve: { alias: { "~": folder("src"), "~mock": folder("mock") } },
  css: { modules: { generateScopedName: scopedName } },
  build: {
    manifest: true,
    assetsInlineLimit: 0,
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
  },
  server: { host: "127.0.0.1", ...(mode === "mock" ? {} : { proxy: { "/api": apiProxy(server) } }) },
  test: {
    environment: "jsdom",
    environmentOptions: { jsdom: { url: "http://console.test/" } },
    setupFiles: ["src/testing/listeners.ts", "src/testing/setup.ts"],
    // All files of a worker share a page; each test starts over with an empty one and with a new account.
    isolate: false,
    testTimeout: 30_000,
    // What a test waits for comes when it comes; on a busy machine a second is not enough.
    expect: { poll: { timeout: 15_000 } },
    restoreMocks: true,
  },
}));
