import { t } from "~/messages";
import { Tag } from "~/ui/Tag";
import text from "~/ui/text.module.css";

/** Whether the node's kernel enforces the limits of allocations. */
export function Enforcement({ enforced }: { enforced: boolean | null }) {
  const words = t.operator.nodes;
  if (enforced === null) return <span className={text.faint}>{words.unknown}</span>;
  return enforced ? (
    <span>{words.enforced}</span>
  ) : (
    <Tag tone="warn">{words.notEnforced}</Tag>
  );
}
