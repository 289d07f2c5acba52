import { describe, expect, test } from "vitest";
import { formatMemory } from "./shape";
import { formatMoment, formatSpan } from "./time";

describe("formatSpan", () => {
  test.each([
    [0, "0 s"],
    [59.9, "59 s"],
    [60, "1 min"],
    [3900, "1 h 05 min"],
    [47 * 3600, "47 h 00 min"],
    [52 * 3600, "2 d 4 h"],
  ])("shows %d seconds as %s", (seconds, shown) => expect(formatSpan(seconds)).toBe(shown));
});

describe("formatMoment", () => {
  const now = new Date("2026-03-02T12:00:00Z").getTime();

  test("is relative within a day, on both sides", () => {
    expect(formatMoment("2026-03-02T11:48:00Z", now)).toBe("12 min ago");
    expect(formatMoment("2026-03-02T13:05:00Z", now)).toBe("in 1 h 05 min");
    expect(formatMoment("2026-03-02T11:59:58Z", now)).toBe("just now");
  });

  test("is a date beyond a day", () => {
    expect(formatMoment("2026-02-20T12:00:00Z", now)).toMatch(/20 Feb 2026/);
  });
});

describe("formatMemory", () => {
  test.each([
    [8192, "8 GiB"],
    [1536, "1.5 GiB"],
  ])("shows %d MiB as %s", (mib, shown) => expect(formatMemory(mib)).toBe(shown));
});
