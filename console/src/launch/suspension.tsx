import type { ReactNode } from "react";
import type { Offer } from "~/api/types";
import { formatRate } from "~/format/money";
import { t } from "~/messages";
import { RateFigure } from "~/ui/figures";

type Price = Offer["price"];

const words = t.launch.suspension;

/** How long what is suspended keeps its place, in a few words. */
export function placeKept({ suspended_claim: claim, suspended_claim_hours: hours }: Price): string {
  return claim === "hours" ? words.hours(hours ?? 0) : words[claim];
}

/** What suspension costs and keeps: its rates, and how long the place is kept. */
export function suspensionRows(price: Price): [string, ReactNode][] {
  const { suspended_claim: claim, suspended_per_hour: suspended, disk_per_hour: disk } = price;
  const rows: [string, ReactNode][] = [[words.place, placeKept(price)]];
  rows.push([claim === "none" ? words.diskAlone : words.suspended, <RateFigure key="suspended" rate={suspended} />]);
  if (claim === "hours" && disk !== null) rows.push([words.after, <RateFigure key="disk" rate={disk} />]);
  return rows;
}

/** What follows when it is suspended at this price, told before. */
export function suspendConsequences(price: Price): string[] {
  const { suspended_per_hour: suspended, suspended_claim_hours: hours, disk_per_hour: disk } = price;
  const cost = formatRate(suspended);
  if (disk === null) return [words.ends, words.keptAlways(cost)];
  return [words.ends, hours === null ? words.notKept(cost) : words.kept(words.hours(hours), cost, formatRate(disk)), words.needsRoom];
}
