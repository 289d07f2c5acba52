import { StepLine } from "~/allocations/Activity";
import type { NodeDetail } from "~/api/types";
import { t } from "~/messages";
import type { StepState } from "~/states";
import { Panel } from "~/ui/Page";

const AS_STEP: Record<NodeDetail["enrolment"][number]["state"], StepState> = { waiting: "pending", done: "done", failed: "failed" };

/** How far a node has come in joining; what failed says how to mend it. */
export function Enrolment({ node }: { node: NodeDetail }) {
  return (
    <Panel title={t.operator.addNode.checklist}>
      <ol className="steps" aria-live="polite">
        {node.enrolment.map(({ name, state, detail, fix }) => (
          <StepLine key={name} step={{ name, state: AS_STEP[state], detail }} fix={fix} />
        ))}
      </ol>
    </Panel>
  );
}
