/** A state as shape, word and colour: no one of the three is needed to tell two states apart. */
import type { ReactNode } from "react";
import css from "./Status.module.css";

export type Tone = "ok" | "warn" | "bad" | "busy" | "quiet";
export type Shape = "disc" | "ring" | "dashes" | "bars" | "square" | "cross" | "triangle" | "diamond" | "half" | "arrow";

const LINE = { fill: "none", stroke: "currentColor", strokeWidth: 1.75 } as const;

const SHAPES: Record<Shape, ReactNode> = {
  disc: <circle cx="6" cy="6" r="5" fill="currentColor" />,
  ring: <circle cx="6" cy="6" r="4.5" {...LINE} />,
  dashes: <circle cx="6" cy="6" r="4.5" {...LINE} strokeDasharray="2.6 2.1" />,
  half: (
    <>
      <circle cx="6" cy="6" r="4.5" {...LINE} />
      <path d="M6 1.5a4.5 4.5 0 0 1 0 9z" fill="currentColor" />
    </>
  ),
  bars: <path d="M3.5 2v8M8.5 2v8" {...LINE} strokeWidth="2.5" />,
  square: <rect x="1.75" y="1.75" width="8.5" height="8.5" rx="1" {...LINE} />,
  cross: <path d="m2 2 8 8M10 2l-8 8" {...LINE} strokeWidth="2" />,
  triangle: <path d="M6 1 11.5 11H.5z" fill="currentColor" />,
  diamond: <path d="m6 .75 5.25 5.25L6 11.25.75 6z" {...LINE} />,
  arrow: <path d="M10.5 6h-9m3.5-3.5L1.5 6 5 9.5" {...LINE} />,
};

/** What is seen of a state. */
export type Look = { label: string; tone: Tone; shape: Shape };

export function Status({ look: { label, tone, shape } }: { look: Look }) {
  return (
    <span className={css.status} data-tone={tone}>
      <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
        {SHAPES[shape]}
      </svg>
      {label}
    </span>
  );
}
