import css from "./BarChart.module.css";

export type Bar = { key: string; label: string; title: string; part: number };

/** Amounts side by side, as tall as each is of the largest; the same stands in a table beside it, so that none needs to see it. */
export function BarChart({ name, bars }: { name: string; bars: Bar[] }) {
  return (
    <div className={css.chart} role="img" aria-label={name}>
      {bars.map(({ key, label, title, part }) => (
        <span key={key} className={css.day} title={title}>
          <span className={css.bar} style={{ transform: `scaleY(${part})` }} />
          <span className={css.label} aria-hidden="true">
            {label}
          </span>
        </span>
      ))}
    </div>
  );
}
