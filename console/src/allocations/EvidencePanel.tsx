import type { Evidence } from "~/api/types";
import { t } from "~/messages";
import { AlertIcon, CheckIcon } from "~/ui/icons";
import { Moment } from "~/ui/figures";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Page";

const words = t.allocations.evidence;

/** What was looked at on the node before its capacity was sold again. */
export function EvidencePanel({ evidence }: { evidence: Evidence }) {
  const { clean, checks, released_at } = evidence;
  return (
    <Panel title={words.title} aside={<span className="faint small"><Moment at={released_at} /></span>}>
      <Notice tone={clean ? "ok" : "warn"} title={clean ? words.clean : words.unclean} />
      <ul className="limits">
        {checks.map((check) => (
          <li key={check.name} data-ok={check.clean}>
            {check.clean ? <CheckIcon /> : <AlertIcon />}
            <span>{words.name[check.name] ?? check.name}</span>
            <span className="small muted">{check.clean ? words.isClean : words.isNotClean}</span>
            <span className="limit-detail">{check.detail}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
