/** The rule that all end-user text is in the catalogue, checked on the syntax tree of every component. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const SPOKEN = new Set(["aria-label", "title", "alt", "placeholder", "label", "help", "lead", "caption", "name", "detail", "header", "reason", "what"]);
const WORD = /\p{L}{2,}/u;
/** Two words, or one with a capital: text; `radio` or `off` are not. */
const SENTENCE = /\p{L}+[ ,.]+\p{L}+|^\p{Lu}\p{Ll}/u;

function literalText(source: string, file = "planted.tsx"): string[] {
  const found: string[] = [];
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const visit = (node: ts.Node): void => {
    if (ts.isJsxText(node) && WORD.test(node.text)) found.push(node.text.trim());
    if (ts.isJsxExpression(node) && node.expression && ts.isStringLiteralLike(node.expression) && WORD.test(node.expression.text)) {
      found.push(node.expression.text);
    }
    const attribute = ts.isJsxAttribute(node) ? node : null;
    if (attribute?.initializer && ts.isStringLiteral(attribute.initializer)) {
      const { text } = attribute.initializer;
      if (SPOKEN.has(attribute.name.getText()) && SENTENCE.test(text)) found.push(text);
    }
    if (ts.isPropertyAssignment(node) && ts.isStringLiteralLike(node.initializer) && SPOKEN.has(node.name.getText()) && SENTENCE.test(node.initializer.text)) {
      found.push(node.initializer.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

const components = readdirSync("src", { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".tsx") && !/\.test\.|^testing/.test(file),
);

describe("the message catalogue", () => {
  test.each(components)("holds all text of %s", (file) => {
    expect(literalText(readFileSync(join("src", file), "utf8"), file)).toEqual([]);
  });

  test.each([
    "<p>Nothing is running</p>",
    '<p>{"Nothing"}</p>',
    '<button aria-label="Close dialog" />',
    '<Panel title="Charges" />',
    'const c = { header: "Cost so far" };',
  ])("misses nothing such as %s", (planted) => expect(literalText(planted)).toHaveLength(1));
});
