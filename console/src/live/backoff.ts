const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** Full jitter: anywhere between nothing and the cap, so that clients cut off together do not come back together. */
export function reconnectDelay(attempt: number, random: () => number = Math.random): number {
  return Math.floor(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt));
}
