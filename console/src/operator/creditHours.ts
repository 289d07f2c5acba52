import type { Approval } from "~/api/types";

const HOUR_S = 3600;

/** The hours of credit that an act was asked for with, as people write them; null where it gives none by its kind. */
export function creditHours({ parameters: { credit_seconds: seconds } }: Approval): string | null {
  return typeof seconds === "number" ? String(Math.round((seconds / HOUR_S) * 100) / 100) : null;
}
