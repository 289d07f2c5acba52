// @vitest-environment node
/** The console's own rules of its code, each with a planted violation that it catches. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let project: string;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "console-lint-"));
  for (const file of [".oxlintrc.json", "tsconfig.json"]) cpSync(file, join(project, file));
});

afterEach(() => rmSync(project, { recursive: true }));

/** What the rules say to a console of these files. */
function complaints(files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
  const oxlint = resolve("node_modules/oxlint/bin/oxlint");
  return spawnSync(process.execPath, [oxlint, "--deny-warnings"], { cwd: project, encoding: "utf8" }).stdout;
}

describe("the lint rules", () => {
  test.each([
    ["values", 'import { b } from "~/b";\nexport const a = () => b;\n'],
    ["types", 'import type { b } from "~/b";\nexport const a = (): typeof b => () => 1;\n'],
  ])("refuse a circle of imports of %s", (_of, a) => {
    const b = 'import { a } from "~/a";\nexport const b = () => a();\n';
    expect(complaints({ "src/a.ts": a, "src/b.ts": b })).toContain("import(no-cycle)");
  });

  test("have nothing to say to files that depend one way", () => {
    const said = complaints({ "src/a.ts": "export const a = 1;\n", "src/b.ts": 'import { a } from "~/a";\nexport const b = a;\n' });
    expect(said).toContain("Found 0 warnings and 0 errors");
  });
});
