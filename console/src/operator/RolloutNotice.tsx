import { Link } from "react-router";
import type { Rollout } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { rolloutPhase } from "~/states";
import { Notice } from "~/ui/Notice";

const words = t.helpers;

/** How a rollout stands, and what comes next. */
export function RolloutNotice({ rollout, isLink = false }: { rollout: Rollout; isLink?: boolean }) {
  const { title, detail } = words.next[rollout.phase](rollout.canary.node_name);
  return (
    <Notice tone={rolloutPhase(rollout.phase).noticeTone} title={title}>
      {rollout.reason === null ? null : <p>{rollout.reason}</p>}
      <p>{words.counted({ ...rollout, failed: rollout.failed.length })}</p>
      <p>{detail}</p>
      {isLink ? <Link to={to.operator.rollout(rollout.id)}>{words.page(rollout.helper.version ?? words.none)}</Link> : null}
    </Notice>
  );
}
