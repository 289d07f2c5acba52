import type { ReactNode } from "react";
import css from "./Empty.module.css";

/** What there is to say where nothing is. */
export function Empty({ title, detail, children }: { title: string; detail: string; children?: ReactNode }) {
  return (
    <div className={css.empty}>
      <h2>{title}</h2>
      <p>{detail}</p>
      {children}
    </div>
  );
}
