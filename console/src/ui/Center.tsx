import type { ReactNode } from "react";
import css from "./Center.module.css";

/** A page, or a part of one, that has one thing to say. */
export function Center({ as: As = "main", role, children }: { as?: "main" | "div"; role?: "alert"; children: ReactNode }) {
  return (
    <As className={css.center} role={role}>
      {children}
    </As>
  );
}
