import type { ReactNode } from "react";
import css from "./Facts.module.css";

/** Pairs of name and value. */
export function Facts({ rows, align }: { rows: [string, ReactNode][]; align?: "start" }) {
  return (
    <dl className={css.facts} data-align={align}>
      {rows.map(([name, value]) => (
        <FactRow key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

function FactRow({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
