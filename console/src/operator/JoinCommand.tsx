import type { Join } from "~/api/types";
import { formatMoment } from "~/format/time";
import { useNow } from "~/format/useNow";
import { t } from "~/messages";
import { Copy } from "~/ui/Copy";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";

const words = t.operator.addNode;

/** The one command that makes a server a node. Its token is shown here and nowhere else. */
export function JoinCommand({ join }: { join: Join }) {
  const now = useNow();
  return (
    <Panel title={words.run}>
      <Copy text={join.command} what={words.command} />
      <p className={text.help}>{words.expires(formatMoment(join.expires_at, now))}</p>
    </Panel>
  );
}
