import type { NodeDetail } from "~/api/types";
import { t } from "~/messages";
import type { StepState } from "~/states";
import { Panel } from "~/ui/Panel";
import { StepLine, Steps } from "~/ui/Steps";

const AS_STEP: Record<NodeDetail["enrolment"][number]["state"], StepState> = { waiting: "pending", done: "done", failed: "failed" };

/** How far a node has come in joining; what failed says how to mend it. */
export function Enrolment({ node }: { node: NodeDetail }) {
  return (
    <Panel title={t.operator.addNode.checklist}>
      <Steps live>
        {node.enrolment.map(({ name, state, detail, fix }) => (
          <StepLine key={name} step={{ name, state: AS_STEP[state], detail }} fix={fix} />
        ))}
      </Steps>
    </Panel>
  );
}
