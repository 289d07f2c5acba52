/** What helps to develop stays out of what is built. */
import { relative } from "node:path";
import type { Plugin } from "vite";

const OURS_ALONE = /^(?:mock|src\/testing|node_modules\/msw)\//;

/** Refuses a build that holds a part of the mock or of the tests. */
export function noMock(): Plugin {
  let root = "";
  return {
    name: "no-mock",
    apply: "build",
    configResolved(config) {
      root = config.root;
    },
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((part) => (part.type === "chunk" ? part.moduleIds : []));
      const found = modules.map((id) => relative(root, id)).filter((id) => OURS_ALONE.test(id));
      if (found.length > 0) this.error(`The console must not carry what is for its development: ${found.join(", ")}`);
    },
  };
}
