import css from "./Consequences.module.css";

/** What will follow from what is asked about, a line each. */
export function Consequences({ lines }: { lines: string[] }) {
  return (
    <ul className={css.list}>
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}
