import { describe, expect, test } from "vitest";
import * as states from "./moneyStates";

const LOOKS = [
  ["refund request", states.REFUND_REQUEST_STATES, states.requestState],
  ["refund", states.REFUND_STATES, states.refundState],
  ["dispute", states.DISPUTE_STATES, states.disputeState],
  ["finding", states.SEVERITIES, states.severityOf],
  ["month", states.MONTH_STATES, states.monthState],
] as const;

describe("the states of money", () => {
  test.each(LOOKS)("of a %s differ by word and by shape, whoever sees no colour", (_of, looks) => {
    const all = Object.values(looks);
    expect(new Set(all.map(({ label }) => label)).size).toBe(all.length);
    expect(new Set(all.map(({ shape }) => shape)).size).toBe(all.length);
  });

  test.each(LOOKS)("of a %s that this console does not know go by their name", (_of, _looks, read) => {
    expect(read("hibernating")).toMatchObject({ label: "hibernating", tone: "quiet", shape: "ring" });
  });

  test("are read from an address only where there are such", () => {
    expect(states.oneOf(states.REFUND_STATES, "failed")).toBe("failed");
    expect(states.oneOf(states.REFUND_STATES, "toString")).toBeNull();
    expect(states.oneOf(states.REFUND_STATES, null)).toBeNull();
  });
});
