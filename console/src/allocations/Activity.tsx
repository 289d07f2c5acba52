import type { Operation } from "~/api/types";
import { formatClock } from "~/format/time";
import { t } from "~/messages";
import { operationState, stepState } from "~/states";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Page";

type Step = Operation["steps"][number];

const spoken = (name: string) => t.allocations.step[name] ?? name.replaceAll(/[_-]/g, " ");

export function StepLine({ step, fix }: { step: Pick<Step, "name" | "state" | "detail"> & { finished_at?: string | null }; fix?: string | null }) {
  const { label, icon: Icon } = stepState(step.state);
  return (
    <li className="step" data-state={step.state}>
      <Icon />
      <span>
        {spoken(step.name)}
        <span className="visually-hidden">: {label}</span>
        {step.detail ? <span className="cell-sub">{step.detail}</span> : null}
        {fix ? <span className="step-fix">{t.operator.node.fix(fix)}</span> : null}
      </span>
      {step.finished_at ? (
        <time className="step-time" dateTime={step.finished_at}>
          {formatClock(step.finished_at)}
        </time>
      ) : null}
    </li>
  );
}

/** The newest operation, step by step; it moves as the server reports. */
export function Activity({ operation }: { operation: Operation }) {
  const { kind, steps, attempts, error } = operation;
  const done = steps.filter(({ state }) => stepState(state).done).length;
  return (
    <Panel
      title={t.allocations.activity.title[kind] ?? kind}
      aside={attempts > 1 ? <span className="tag">{t.allocations.activity.attempts(attempts)}</span> : null}
    >
      <p className="visually-hidden" role="status">
        {t.allocations.activity.progress(done, steps.length)}
      </p>
      <ol className="steps">
        {steps.map((step) => (
          <StepLine key={step.name} step={step} />
        ))}
      </ol>
      {error === null ? null : (
        <Notice tone={operationState(operation.state).errorTone}>
          <p>{error.message}</p>
        </Notice>
      )}
    </Panel>
  );
}
