import { describe, expect, test } from "vitest";
import { amountParts, formatExact, formatMoney, formatRate } from "./money";

const usd = (amount: string) => ({ amount, currency: "USD" });
const rate = (amount: string) => ({ amount, currency: "USD", per: "hour" });

describe("formatMoney", () => {
  test.each([
    ["12.34", "$12.34"],
    ["1234567.8", "$1,234,567.80"],
    ["-1.8425", "−$1.84"],
    ["0", "$0.00"],
    ["-0.00", "$0.00"],
    ["19.999999", "$19.99"],
    ["-1.8475", "−$1.84"],
    ["0.000003", "<$0.01"],
    ["-0.005", ">−$0.01"],
  ])("shows %s as %s", (amount, shown) => expect(formatMoney(usd(amount))).toBe(shown));

  test("names a currency that has no sign of its own here", () => {
    expect(formatMoney({ amount: "5.00", currency: "CHF" })).toBe("CHF 5.00");
  });

  test("keeps digits that a floating-point number would lose", () => {
    expect(formatExact(usd("9007199254740993.123457"))).toBe("$9,007,199,254,740,993.123457");
  });
});

describe("formatRate", () => {
  test.each([
    ["0.36", "$0.36/h"],
    ["1.8425", "$1.8425/h"],
    ["0.123456789", "$0.1234/h"],
    ["2", "$2.00/h"],
    ["0.000012", "$0.000012/h"],
  ])("shows %s as %s", (amount, shown) => expect(formatRate(rate(amount))).toBe(shown));
});

describe("amountParts", () => {
  test("puts what is finer than a cent apart, so that it can be dimmed", () => {
    expect(amountParts(usd("-0.037230"))).toEqual({ sign: "−", symbol: "$", whole: "0", shown: "03", rest: "723" });
  });
});
