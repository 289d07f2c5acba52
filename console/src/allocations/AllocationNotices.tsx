import { Link } from "react-router";
import type { Allocation } from "~/api/types";
import { formatMoment } from "~/format/time";
import { useNow } from "~/format/useNow";
import { t } from "~/messages";
import { to } from "~/paths";
import { allocationState } from "~/states";
import { Notice, NoticeId } from "~/ui/Notice";

const words = t.allocations;

/** What its owner should know about the state it is in. */
export function AllocationNotices({ allocation }: { allocation: Allocation }) {
  const now = useNow();
  const { state, failure, funds } = allocation;
  const { label, notice } = allocationState(state);
  return (
    <>
      {failure === null ? null : (
        <Notice tone="bad" title={label} role="alert">
          <p>{failure.message}</p>
          <NoticeId>{failure.code}</NoticeId>
        </Notice>
      )}
      {notice === undefined ? null : (
        <Notice tone={notice.tone} title={notice.title}>
          <p>{notice.detail}</p>
        </Notice>
      )}
      {funds.suspend_at === null ? null : (
        <Notice tone="bad">
          <p>
            {words.suspendAt(formatMoment(funds.suspend_at, now))} <Link to={to.billing()}>{t.billing.addFunds}</Link>
          </p>
        </Notice>
      )}
    </>
  );
}
