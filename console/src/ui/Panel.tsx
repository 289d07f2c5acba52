import { type ReactNode, useId } from "react";
import css from "./Panel.module.css";

type PanelProps = { title?: ReactNode; aside?: ReactNode; flush?: boolean; children: ReactNode };

/** A bordered part of a page; `flush` for tables, which bring their own padding. */
export function Panel({ title, aside, flush = false, children }: PanelProps) {
  const id = useId();
  return (
    <section className={css.panel} aria-labelledby={title === undefined ? undefined : id}>
      {title === undefined ? null : (
        <div className={css.head}>
          <h2 id={id}>{title}</h2>
          {aside}
        </div>
      )}
      {flush ? children : <div className={css.body}>{children}</div>}
    </section>
  );
}

/** A line within a panel that is flush: what its table is about, or that it has none. */
export function PanelNote({ children }: { children: ReactNode }) {
  return <p className={css.note}>{children}</p>;
}
