import type { ReactNode } from "react";
import { Link } from "react-router";
import { t } from "~/messages";
import css from "./Brand.module.css";
import { Mark } from "./icons";

/** The mark and the name; with `to`, the way home. */
export function Brand({ to, children }: { to?: string; children: ReactNode }) {
  if (to === undefined) {
    return (
      <span className={css.brand}>
        <Mark />
        {children}
      </span>
    );
  }
  return (
    <Link className={css.brand} to={to} aria-label={t.shell.product}>
      <Mark />
      {children}
    </Link>
  );
}
