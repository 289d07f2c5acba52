import type { ReactNode } from "react";
import css from "./Disclosure.module.css";

type DisclosureProps = { summary: string; open?: boolean; onToggle?: (open: boolean) => void; children: ReactNode };

/** What most do not need: a line that opens. */
export function Disclosure({ summary, open, onToggle, children }: DisclosureProps) {
  return (
    <details className={css.disclosure} open={open} onToggle={({ currentTarget }) => onToggle?.(currentTarget.open)}>
      <summary>{summary}</summary>
      {children}
    </details>
  );
}
