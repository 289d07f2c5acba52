import { t } from "~/messages";
import { type Shape, Status, type Tone } from "~/ui/Status";

const LOOK: Record<string, [Tone, Shape]> = {
  queued: ["quiet", "dashes"],
  provisioning: ["busy", "half"],
  active: ["ok", "disc"],
  suspended: ["warn", "bars"],
  releasing: ["busy", "arrow"],
  released: ["quiet", "square"],
  failed: ["bad", "cross"],
  release_failed: ["bad", "triangle"],
  lost: ["bad", "diamond"],
};

export function AllocationStatus({ state }: { state: string }) {
  const [tone, shape] = LOOK[state] ?? ["quiet", "ring"];
  return (
    <Status tone={tone} shape={shape}>
      {t.allocations.state[state] ?? state}
    </Status>
  );
}

/** States in which time is charged for, or would be if the node answered. */
const RUNS_UP = new Set(["active", "suspended", "lost"]);

export const runsUp = (state: string) => RUNS_UP.has(state);

const ENDED = new Set(["released", "failed"]);

export const hasEnded = (state: string) => ENDED.has(state);
