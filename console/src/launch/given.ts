/** What is typed as lines of NAME=value. */

/** The pairs that the lines say; null where a line says none. */
export function pairsIn(lines: string): Record<string, string> | null {
  const found: Record<string, string> = {};
  for (const line of lines.split("\n")) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const at = line.indexOf("=");
    if (at < 1) return null;
    found[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  return found;
}

/** The same pairs as lines. */
export const linesOf = (pairs: Record<string, string>) => Object.entries(pairs).map(([key, value]) => `${key}=${value}`).join("\n");
