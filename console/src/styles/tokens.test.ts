/** The design's values, written out a second time: a colour or a size that drifts is seen here. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const sheet = readFileSync("src/styles/tokens.css", "utf8");
const declared = new Map([...sheet.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(([, name = "", value = ""]) => [name, value]));

const COLOURS: [token: string, light: string, dark: string][] = [
  ["canvas", "#F6F7F5", "#0E1210"],
  ["surface", "#FFFFFF", "#151A17"],
  ["sunken", "#EDEFEC", "#0A0D0B"],
  ["fg", "#161B18", "#E7ECE8"],
  ["muted", "#525B55", "#A6B0A9"],
  ["faint", "#5F6862", "#8B958E"],
  ["line", "#DADED8", "#2A322D"],
  ["control", "#838B84", "#717B74"],
  ["accent", "#0B6280", "#5EC4E3"],
  ["accent-hover", "#084F67", "#8AD6EC"],
  ["accent-tint", "#E1F0F5", "#10303B"],
  ["on-accent", "#FFFFFF", "#04161D"],
  ["ok", "#1A6B3C", "#6FCF97"],
  ["ok-tint", "#E3F3E8", "#12301F"],
  ["warn", "#875300", "#E9B44C"],
  ["warn-tint", "#FBF0DA", "#35280C"],
  ["bad", "#B3261E", "#FF8A80"],
  ["bad-tint", "#FCE9E7", "#3B1614"],
  ["series-2", "#B25E00", "#F2A65A"],
  ["series-3", "#6D4BB5", "#B79CF0"],
  ["series-4", "#3F7D20", "#9CCB6B"],
  ["series-5", "#A33A6B", "#EE8FB8"],
];

const SIZES: [token: string, value: string][] = [
  ["t12", "0.75rem/1rem"],
  ["t13", "0.8125rem/1.25rem"],
  ["t14", "0.875rem/1.25rem"],
  ["t16", "1rem/1.5rem"],
  ["t20", "1.25rem/1.75rem"],
  ["t28", "1.75rem/2.25rem"],
  ...[2, 4, 8, 12, 16, 24, 32, 48].map((size): [string, string] => [`s${size}`, `${size}px`]),
  ...[4, 6, 10].map((size): [string, string] => [`r${size}`, `${size}px`]),
  ["rail", "224px"],
  ["page", "1200px"],
  ["fast", "120ms"],
  ["slow", "180ms"],
];

describe("the tokens", () => {
  test.each(COLOURS)("give %s the design's colours", (token, light, dark) => {
    expect(declared.get(token)).toBe(`light-dark(${light.toLowerCase()}, ${dark.toLowerCase()})`);
  });

  test.each(SIZES)("give %s the design's size", (token, value) => expect(declared.get(token)).toBe(value));
});
