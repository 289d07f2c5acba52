import { Link } from "react-router";
import type { Allocation } from "~/api/types";
import { formatRate } from "~/format/money";
import { formatMoment } from "~/format/time";
import { useNow } from "~/format/useNow";
import { t } from "~/messages";
import { to } from "~/paths";
import { allocationState } from "~/states";
import { Moment } from "~/ui/figures";
import { Notice, NoticeId } from "~/ui/Notice";

const words = t.allocations;

/** What befell it longer ago is in its history. */
const INCIDENT_MS = 24 * 3_600_000;

/** How its claim stands while it is suspended; nothing where that is kept always. */
function claimOf({ claim_kept_until: until, claim_ended_at: ended, waits_for_room_since: waits, price }: Allocation, now: number): string | null {
  if (waits !== null) return words.claim.waits;
  if (ended !== null) return words.claim.ended(formatMoment(ended, now));
  if (until === null) return null;
  return words.claim.keptUntil(formatMoment(until, now), formatRate(price.disk_per_hour ?? price.suspended_per_hour));
}

/** What its owner should know about the state it is in. */
export function AllocationNotices({ allocation }: { allocation: Allocation }) {
  const now = useNow();
  const { state, failure, funds } = allocation;
  const { label, notice } = allocationState(state);
  const recent = allocation.ended_at === null ? allocation.incidents.filter(({ at }) => now - Date.parse(at) < INCIDENT_MS) : [];
  const claim = claimOf(allocation, now);
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
      {claim === null ? null : (
        <Notice tone="warn">
          <p>{claim}</p>
        </Notice>
      )}
      {recent.length === 0 ? null : (
        <Notice tone="warn" title={words.incidents.title}>
          {recent.map(({ kind, detail, at }) => (
            <p key={`${at} ${kind}`}>
              <strong>
                <Moment at={at} />
              </strong>{" "}
              {detail}
            </p>
          ))}
        </Notice>
      )}
      {funds.data_kept_until === null ? null : (
        <Notice tone="bad">
          <p>
            {words.keptUntil(formatMoment(funds.data_kept_until, now))} <Link to={to.billing()}>{t.billing.addFunds}</Link>
          </p>
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
