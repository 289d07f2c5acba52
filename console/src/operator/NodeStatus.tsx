import { t } from "~/messages";
import { type Shape, Status, type Tone } from "~/ui/Status";

const LOOK: Record<string, [Tone, Shape]> = {
  enrolling: ["busy", "half"],
  ready: ["ok", "disc"],
  cordoned: ["warn", "bars"],
  draining: ["warn", "arrow"],
  maintenance: ["quiet", "square"],
  quarantined: ["bad", "triangle"],
  offline: ["bad", "cross"],
};

export function NodeStatus({ state }: { state: string }) {
  const [tone, shape] = LOOK[state] ?? ["quiet", "ring"];
  return (
    <Status tone={tone} shape={shape}>
      {t.operator.nodes.state[state] ?? state}
    </Status>
  );
}

/** Whether the node's kernel enforces the limits of allocations. */
export function Enforcement({ enforced }: { enforced: boolean | null }) {
  const words = t.operator.nodes;
  if (enforced === null) return <span className="faint">{words.unknown}</span>;
  return enforced ? (
    <span>{words.enforced}</span>
  ) : (
    <span className="tag" data-tone="warn">
      {words.notEnforced}
    </span>
  );
}
