import type { Operation } from "~/api/types";
import { t } from "~/messages";
import { operationState, stepState } from "~/states";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Panel";
import { Steps, StepLine } from "~/ui/Steps";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";

/** The newest operation, step by step; it moves as the server reports. */
export function Activity({ operation }: { operation: Operation }) {
  const { kind, steps, attempts, error } = operation;
  const done = steps.filter(({ state }) => stepState(state).done).length;
  return (
    <Panel
      title={t.allocations.activity.title[kind] ?? kind}
      aside={attempts > 1 ? <Tag>{t.allocations.activity.attempts(attempts)}</Tag> : null}
    >
      <p className={text.visuallyHidden} role="status">
        {t.allocations.activity.progress(done, steps.length)}
      </p>
      <Steps>
        {steps.map((step) => (
          <StepLine key={step.name} step={step} />
        ))}
      </Steps>
      {error === null ? null : (
        <Notice tone={operationState(operation.state).errorTone}>
          <p>{error.message}</p>
        </Notice>
      )}
    </Panel>
  );
}
