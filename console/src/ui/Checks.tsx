import type { ReactNode } from "react";
import css from "./Checks.module.css";
import { AlertIcon, CheckIcon } from "./icons";
import text from "./text.module.css";

export type Check = { key: string; ok: boolean; what: ReactNode; verdict: string; detail: string | null };

/** What was looked at, one line each: whether it is as it should be, and what was seen. */
export function Checks({ checks }: { checks: Check[] }) {
  return (
    <ul className={css.checks}>
      {checks.map(({ key, ok, what, verdict, detail }) => (
        <li key={key} data-ok={ok}>
          {ok ? <CheckIcon /> : <AlertIcon />}
          <span>{what}</span>
          <span className={`${text.small} ${text.muted}`}>{verdict}</span>
          <span className={css.detail}>{detail}</span>
        </li>
      ))}
    </ul>
  );
}
