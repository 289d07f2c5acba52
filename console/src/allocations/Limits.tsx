import type { Allocation } from "~/api/types";
import { t } from "~/messages";
import { Checks } from "~/ui/Checks";
import { Notice } from "~/ui/Notice";
import { Panel } from "~/ui/Panel";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";

const words = t.allocations.limits;

/** What the node enforces, as its kernel reports it; what it does not enforce is said as plainly. */
export function Limits({ allocation }: { allocation: Allocation }) {
  const unenforced = allocation.node?.limits_enforced === false;
  return (
    <Panel title={words.title} aside={unenforced ? <Tag tone="warn">{t.allocations.notEnforced}</Tag> : null}>
      {unenforced ? (
        <Notice tone="warn">
          <p>{words.warning}</p>
        </Notice>
      ) : null}
      {allocation.enforced.length === 0 ? <p className={text.muted}>{words.none}</p> : null}
      <Checks
        checks={allocation.enforced.map(({ limit, requested, enforced, detail }) => ({
          key: limit,
          ok: enforced,
          what: (
            <>
              {words.name[limit] ?? limit} <span className={text.muted}>{requested}</span>
            </>
          ),
          verdict: enforced ? words.enforced : words.notEnforced,
          detail,
        }))}
      />
    </Panel>
  );
}
