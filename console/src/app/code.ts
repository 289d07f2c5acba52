/** The code of a page: fetched when it is first needed, and not waited for without end. */
import type { ComponentType } from "react";
import { problemFromNetwork } from "~/errors";

export type Code = () => Promise<ComponentType>;

/** A server that is there and does not answer neither sends code nor refuses to: after so long it will not come. */
const LONGEST_MS = 15_000;

/** The same code, or the failure of a request that got no answer. */
export function withinTime(code: Code): Code {
  return async () => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(problemFromNetwork(new Error("no code came"))), LONGEST_MS);
    });
    try {
      return await Promise.race([code(), late]);
    } finally {
      clearTimeout(timer);
    }
  };
}
