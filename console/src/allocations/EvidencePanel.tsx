import type { Evidence } from "~/api/types";
import { t } from "~/messages";
import { Checks } from "~/ui/Checks";
import { Moment } from "~/ui/figures";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Panel";
import text from "~/ui/text.module.css";

const words = t.allocations.evidence;

/** What was looked at on the node before its capacity was sold again. */
export function EvidencePanel({ evidence }: { evidence: Evidence }) {
  const { clean, checks, released_at } = evidence;
  return (
    <Panel title={words.title} aside={<span className={`${text.faint} ${text.small}`}><Moment at={released_at} /></span>}>
      <Notice tone={clean ? "ok" : "warn"} title={clean ? words.clean : words.unclean} />
      <Checks
        checks={checks.map((check) => ({
          key: check.name,
          ok: check.clean,
          what: words.name[check.name] ?? check.name,
          verdict: check.clean ? words.isClean : words.isNotClean,
          detail: check.detail,
        }))}
      />
    </Panel>
  );
}
