import type { Allocation } from "~/api/types";
import { t } from "~/messages";
import { AlertIcon, CheckIcon } from "~/ui/icons";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Page";

const words = t.allocations.limits;

/** What the node enforces, as its kernel reports it; what it does not enforce is said as plainly. */
export function Limits({ allocation }: { allocation: Allocation }) {
  const unenforced = allocation.node?.limits_enforced === false;
  return (
    <Panel title={words.title} aside={unenforced ? <span className="tag" data-tone="warn">{t.allocations.notEnforced}</span> : null}>
      {unenforced ? (
        <Notice tone="warn">
          <p>{words.warning}</p>
        </Notice>
      ) : null}
      {allocation.enforced.length === 0 ? <p className="muted">{words.none}</p> : null}
      <ul className="limits">
        {allocation.enforced.map(({ limit, requested, enforced, detail }) => (
          <li key={limit} data-ok={enforced}>
            {enforced ? <CheckIcon /> : <AlertIcon />}
            <span>
              {words.name[limit] ?? limit} <span className="muted">{requested}</span>
            </span>
            <span className="small muted">{enforced ? words.enforced : words.notEnforced}</span>
            <span className="limit-detail">{detail}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
