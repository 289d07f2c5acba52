import { t } from "~/messages";
import { type Shape, Status, type Tone } from "~/ui/Status";

const LOOK: Record<string, [Tone, Shape]> = {
  pending: ["quiet", "dashes"],
  processing: ["busy", "half"],
  succeeded: ["ok", "disc"],
  failed: ["bad", "cross"],
  expired: ["quiet", "square"],
};

export function TopUpStatus({ state }: { state: string }) {
  const [tone, shape] = LOOK[state] ?? ["quiet", "ring"];
  return (
    <Status tone={tone} shape={shape}>
      {t.billing.topUps.state[state] ?? state}
    </Status>
  );
}
