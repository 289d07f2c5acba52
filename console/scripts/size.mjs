// Adds up what a browser must fetch before the first page shows: the entry, everything it imports statically, the home
// page's chunk, and their styles, gzipped. Fails above the budget.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_KIB = 220;
const HOME = "src/allocations/AllocationsPage.tsx";
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

const files = new Set(["index.html", "theme.js"]);
const visited = new Set();
function visit(key) {
  const chunk = manifest[key];
  if (!chunk) throw new Error(`The build has no chunk ${key}.`);
  if (visited.has(key)) return;
  visited.add(key);
  files.add(chunk.file);
  for (const sheet of chunk.css ?? []) files.add(sheet);
  for (const imported of chunk.imports ?? []) visit(imported);
}
visit("index.html");
visit(HOME);

const sizes = [...files].map((file) => [file, gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length / 1024]);
for (const [file, size] of sizes.toSorted((a, b) => b[1] - a[1])) console.log(`${size.toFixed(1).padStart(7)} KiB  ${file}`);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
console.log(`${total.toFixed(1).padStart(7)} KiB  in all, of ${BUDGET_KIB} KiB`);
if (total > BUDGET_KIB) process.exit(1);
