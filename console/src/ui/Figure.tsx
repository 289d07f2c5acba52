import type { ReactNode } from "react";
import css from "./Figure.module.css";

type FigureProps = { name: string; large?: boolean; children: ReactNode };

/** A number that matters, under its name; in a list of such. */
export function Figure({ name, large, children }: FigureProps) {
  return (
    <div className={css.figure} data-size={large ? "large" : undefined}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Figures side by side, or one by itself. */
export function Figures({ children }: { children: ReactNode }) {
  return <dl className={css.row}>{children}</dl>;
}
