import { describe, expect, test } from "vitest";
import type { Look } from "~/ui/Status";
import { topUp } from "~mock/fixtures/billing";
import { like } from "~mock/fixtures/common";
import * as states from "./states";

const LOOKS: [string, Record<string, Look>][] = [
  ["allocation", states.ALLOCATION_STATES],
  ["node", states.NODE_STATES],
  ["top-up", states.TOP_UP_STATES],
  ["price", states.PRICE_STANDINGS],
  ["rollout", states.ROLLOUT_PHASES],
  ["node in a rollout", states.UPGRADE_OUTCOMES],
  ["approval", states.APPROVAL_STATES],
  ["SKU", states.SKU_LOOKS],
  ["terminal", states.TERMINAL_STATES],
];

describe("the states", () => {
  test.each(LOOKS)("of a %s differ by word and by shape, whoever sees no colour", (_of, looks) => {
    const all = Object.values(looks);
    expect(new Set(all.map(({ label }) => label)).size).toBe(all.length);
    expect(new Set(all.map(({ shape }) => shape)).size).toBe(all.length);
  });

  test.each([
    ["allocation", states.allocationState],
    ["node", states.nodeState],
    ["top-up", states.topUpState],
    ["price", states.priceStanding],
    ["rollout", states.rolloutPhase],
    ["node in a rollout", states.upgradeOutcome],
    ["approval", states.approvalState],
  ])("of a %s that this console does not know go by their name", (_of, read) => {
    expect(read("hibernating")).toMatchObject({ label: "hibernating", tone: "quiet", shape: "ring" });
    expect(read("toString")).toMatchObject({ label: "toString" });
  });

  test("of steps, operations, GPUs and warnings too", () => {
    expect(states.stepState("skipped").label).toBe("skipped");
    expect(states.operationState("skipped").label).toBe("skipped");
    expect(states.gpuState("lent").label).toBe("lent");
    expect(states.warningOf("5m")).toMatchObject({ tone: "bad" });
  });

  test("of a payment are told in the processor's words where it gave a reason", () => {
    const failure = { code: "card_declined", message: "Your card was declined." };
    const declined = like(topUp, { state: "failed", failure });
    expect(states.topUpState("failed").outcome(declined)).toMatchObject({ tone: "bad", detail: failure.message });
    expect(states.topUpState("failed").outcome(like(topUp, { state: "failed" })).detail).toContain("not charged");
  });
});
