import { t } from "~/messages";

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
