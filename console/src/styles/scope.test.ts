/** The rule that a style belongs to one component, checked on every sheet and on whatever uses it. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";

type Files = Record<string, string>;

/** Sheets that any component may use: how text looks, and how things stand beside each other. */
const SHARED = new Set(["text", "layout"]);

const nameOf = (path: string) => basename(path).replace(/(?:\.module)?\.\w+$/, "");

/** The classes that a sheet declares; those of libraries are marked as global. */
function declared(sheet: string): Set<string> {
  const selectors = sheet.replaceAll(/\/\*.*?\*\//gs, "").replaceAll(/:global\([^)]*\)/g, "").replaceAll(/\{[^{}]*\}/g, "{}");
  return new Set([...selectors.matchAll(/\.([a-zA-Z][\w-]*)/g)].map(([, name = ""]) => name));
}

/** What is wrong with the styles of a console of these files. */
function complaints(files: Files): string[] {
  const found: string[] = [];
  const sheets = Object.keys(files).filter((path) => path.endsWith(".module.css"));
  const used = new Map(sheets.map((sheet) => [nameOf(sheet), new Set<string>()]));
  if (used.size < sheets.length) found.push("two sheets have one name");
  for (const [path, source] of Object.entries(files).filter(([name]) => /\.tsx?$/.test(name))) {
    for (const [literal] of source.matchAll(/className(?:=|: )"[^"]+"/g)) found.push(`${path}: ${literal} belongs to no component`);
    for (const [, local = "", from = ""] of source.matchAll(/import (\w+) from "([^"]+\.module\.css)"/g)) {
      const sheet = nameOf(from);
      if (!SHARED.has(sheet) && sheet !== nameOf(path)) found.push(`${path}: the sheet of ${sheet} is its own`);
      const code = source.replaceAll(/^import .*$/gm, "");
      for (const [, name = ""] of code.matchAll(new RegExp(`\\b${local}\\.(\\w+)`, "g"))) used.get(sheet)?.add(name);
    }
  }
  for (const path of sheets) {
    const [sheet, names] = [nameOf(path), declared(files[path] ?? "")];
    const taken = used.get(sheet) ?? new Set();
    found.push(...[...taken].filter((name) => !names.has(name)).map((name) => `${path}: there is no class ${name}`));
    found.push(...[...names].filter((name) => !taken.has(name)).map((name) => `${path}: nobody uses ${name}`));
  }
  return found;
}

const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((path) => /\.(?:tsx?|css)$/.test(path) && !/\.test\.|^testing|\.d\.ts$/.test(path));
const ours: Files = Object.fromEntries(sources.map((path) => [path, readFileSync(join("src", path), "utf8")]));

const SOUND: Files = {
  "ui/Box.module.css": "/* Not .this. */\n.box { margin: 1.5rem; }\n.box :global(.xterm) { color: red; }\n@media (max-width: 9px) { .box { margin: 0; } }",
  "ui/Box.tsx": 'import css from "./Box.module.css";\nexport const Box = () => <div className={css.box} />;',
};

describe("the styles", () => {
  test("of the console belong to one component each", () => expect(complaints(ours)).toEqual([]));

  test("may be as a sound console has them", () => expect(complaints(SOUND)).toEqual([]));

  test.each<[string, Files]>([
    ["a class for everybody", { "ui/Bag.tsx": '<div className="bag" />' }],
    ["a class that is not there", { "ui/Box.tsx": 'import css from "./Box.module.css";\n<div className={`${css.box} ${css.lid}`} />' }],
    ["a class that nobody uses", { "ui/Box.module.css": ".box {}\n.lid {}" }],
    ["a sheet of another component", { "ui/Bag.tsx": 'import css from "./Box.module.css";\n<div className={css.box} />' }],
    ["two sheets of one name", { "app/Box.module.css": ".box {}" }],
  ])("may not have %s", (_what, planted) => expect(complaints({ ...SOUND, ...planted })).toHaveLength(1));
});
