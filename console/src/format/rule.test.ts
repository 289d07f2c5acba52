/** The rule that the console computes no money: outside `format/money.ts`, an amount is passed on and never reckoned with. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const READS_NUMBERS = /^(?:Number(?:\.\w+)?|parseFloat|parseInt|BigInt|Math\.\w+)$/;
const RECKONS = new Set([
  ts.SyntaxKind.PlusToken, ts.SyntaxKind.MinusToken, ts.SyntaxKind.AsteriskToken, ts.SyntaxKind.SlashToken, ts.SyntaxKind.PercentToken,
  ts.SyntaxKind.LessThanToken, ts.SyntaxKind.GreaterThanToken, ts.SyntaxKind.LessThanEqualsToken, ts.SyntaxKind.GreaterThanEqualsToken,
]);

function namesAmount(node: ts.Node): boolean {
  return (ts.isIdentifier(node) && node.text === "amount") || (ts.forEachChild(node, namesAmount) ?? false);
}

/** Whether an amount goes on under a name by which this rule would not know it. */
function renamesAmount(node: ts.Node): boolean {
  if (ts.isBindingElement(node)) return node.propertyName?.getText() === "amount" && node.name.getText() !== "amount";
  return ts.isVariableDeclaration(node) && node.initializer !== undefined && node.initializer.getText().endsWith(".amount") && node.name.getText() !== "amount";
}

function reckonings(source: string, file = "planted.tsx"): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const reads = ts.isCallExpression(node) && READS_NUMBERS.test(node.expression.getText()) && node.arguments.some(namesAmount);
    const reckons = ts.isBinaryExpression(node) && RECKONS.has(node.operatorToken.kind) && (namesAmount(node.left) || namesAmount(node.right));
    const turns = ts.isPrefixUnaryExpression(node) && RECKONS.has(node.operator) && namesAmount(node.operand);
    if (reads || reckons || turns || renamesAmount(node)) found.push(node.getText());
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX));
  return found;
}

const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter(
  (file) => /\.tsx?$/.test(file) && !/\.test\.|^testing|schema\.d\.ts$|^format\/money\.ts$/.test(file),
);

describe("the console", () => {
  test.each(sources)("computes no money in %s", (file) => {
    expect(reckonings(readFileSync(join("src", file), "utf8"), file)).toEqual([]);
  });

  test.each([
    "const left = Number(wallet.available.amount);",
    "parseFloat(amount)",
    "Math.round(cost.total.amount)",
    "if (wallet.available.amount < offer.hold.amount) refuse();",
    "const cents = +money.amount;",
    "const { amount: raw } = money;",
    "const raw = money.amount;",
  ])("would be caught at %s", (planted) => expect(reckonings(planted).length).toBeGreaterThan(0));
});
