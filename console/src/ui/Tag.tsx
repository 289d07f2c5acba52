import type { ReactNode } from "react";
import css from "./Tag.module.css";

/** A word set apart from what it belongs to. */
export function Tag({ tone, children }: { tone?: "warn"; children: ReactNode }) {
  return (
    <span className={css.tag} data-tag data-tone={tone}>
      {children}
    </span>
  );
}
