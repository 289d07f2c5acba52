import { Link } from "react-router";
import { useApprovals } from "~/api/reads";
import type { Approval, NodeDetail } from "~/api/types";
import { t } from "~/messages";
import { to } from "~/paths";
import { Moment } from "~/ui/figures";
import { Notice } from "~/ui/Notice";
import { creditHours } from "./creditHours";

const words = t.approvals;

function Open({ one }: { one: Approval }) {
  const title = words.open[one.state];
  if (title === undefined) return null;
  const credit = creditHours(one);
  const asker = one.requested_by.name;
  return (
    <Notice tone="warn" title={title(asker)}>
      <p>{one.reason}</p>
      <p>
        {words.next[one.state](asker, one.decided_by?.name ?? words.somebody)} {words.expires} <Moment at={one.expires_at} />
      </p>
      {credit === null ? null : <p>{words.ask.credit(credit)}</p>}
      <Link to={to.operator.approvals()}>{words.ask.see}</Link>
    </Notice>
  );
}

/** What was asked for about a node that does not answer, and waits: for somebody else, or for who asked. */
export function NodeApproval({ node }: { node: NodeDetail }) {
  const { data } = useApprovals({ state: null, subject: node.id, cursor: null }, node.state === "offline");
  return data?.items.map((one) => <Open key={one.id} one={one} />);
}
