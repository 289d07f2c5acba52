/** Work that is done step by step, and how far it has come. */
import type { ReactNode } from "react";
import type { Operation } from "~/api/types";
import { formatClock } from "~/format/time";
import { t } from "~/messages";
import { stepState } from "~/states";
import css from "./Steps.module.css";
import text from "./text.module.css";

type Step = Operation["steps"][number];

const spoken = (name: string) => t.allocations.step[name] ?? name.replaceAll(/[_-]/g, " ");

export function StepLine({ step, fix }: { step: Pick<Step, "name" | "state" | "detail"> & { finished_at?: string | null }; fix?: string | null }) {
  const { label, icon: Icon } = stepState(step.state);
  return (
    <li className={css.step} data-state={step.state}>
      <Icon />
      <span>
        {spoken(step.name)}
        <span className={text.visuallyHidden}>: {label}</span>
        {step.detail ? <span className={text.cellSub}>{step.detail}</span> : null}
        {fix ? <span className={css.fix}>{t.operator.node.fix(fix)}</span> : null}
      </span>
      {step.finished_at ? (
        <time className={css.time} dateTime={step.finished_at}>
          {formatClock(step.finished_at)}
        </time>
      ) : null}
    </li>
  );
}

/** The steps, in order; `live`: they change while somebody listens. */
export function Steps({ live, children }: { live?: boolean; children: ReactNode }) {
  return (
    <ol className={css.steps} aria-live={live ? "polite" : undefined}>
      {children}
    </ol>
  );
}
