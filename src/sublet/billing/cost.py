"""What a subject has cost so far: charged, accrued on evidence, and an estimate for the moments since."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from sublet.billing.charges import charged_between, whole_seconds
from sublet.billing.policy import DEFAULT_POLICY, Policy
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.money import Money, Rate


@dataclass(frozen=True, slots=True)
class Cost:
    """A subject's cost. `charged` is in the books, `accrued` is proven and not posted yet; `total` is both.

    `estimated` is what comes on top if the time between `as_of` (the last observation) and now proves delivered too;
    it is never part of the other amounts. `held` is what is still set aside; `delivered_seconds` counts running time.
    """

    subject_id: str
    charged: Money
    accrued: Money
    total: Money
    estimated: Money
    held: Money
    rate: Rate
    delivered_seconds: int
    as_of: datetime


_METERS = text(
    """
    SELECT m.subject_id, m.currency, m.observed_to, m.stopped_at, m.settled,
           CASE WHEN m.stopped_at IS NOT NULL THEN 0
                WHEN m.kind = 'running' THEN m.nano_per_hour ELSE m.suspended_nano_per_hour END AS nano_per_hour,
           coalesce(h.rest, 0) AS held,
           coalesce((SELECT sum(c.amount) FROM usage_charge c WHERE c.subject_id = m.subject_id), 0)::bigint AS charged
      FROM meter m LEFT JOIN ledger.open_hold h ON h.id = m.hold_id
     WHERE m.subject_id = ANY(:subject_ids)
    """
)
_SEGMENTS = text(
    """
    SELECT subject_id, lower(period) AS started, upper(period) AS ended, kind, nano_per_hour, metered_to, posted_to,
           complete
      FROM meter_segment WHERE subject_id = ANY(:subject_ids)
    """
)


async def cost_of(
    session: Session, subject_ids: Collection[str], *, policy: Policy = DEFAULT_POLICY
) -> dict[str, Cost]:
    """The cost of each subject that is or was metered; the others are missing from the answer."""
    if not subject_ids:
        return {}
    wanted = {"subject_ids": list(subject_ids)}
    now = await database_now(session)
    rows = {row.subject_id: row for row in await session.execute(_METERS, wanted)}
    accrued = dict.fromkeys(rows, 0)
    estimated = dict.fromkeys(rows, 0)
    delivered = dict.fromkeys(rows, 0)
    for segment in await session.execute(_SEGMENTS, wanted):
        meter = rows.get(segment.subject_id)
        if meter is None:
            continue  # its meter began between the two reads; it has cost nothing yet
        proven_to = segment.metered_to
        if not segment.complete:
            proven_to = max(proven_to, min(meter.observed_to, segment.ended or now, now))
        proven = whole_seconds(segment.started, proven_to)
        posted = whole_seconds(segment.started, segment.posted_to)
        accrued[segment.subject_id] += charged_between(segment.nano_per_hour, posted, proven)
        if segment.kind == "running":
            delivered[segment.subject_id] += proven
        if not meter.settled:
            believed_to = min(now, meter.observed_to + timedelta(seconds=policy.evidence_gap_seconds))
            likely = max(proven, whole_seconds(segment.started, min(believed_to, segment.ended or believed_to)))
            estimated[segment.subject_id] += charged_between(segment.nano_per_hour, proven, likely)
    return {
        subject_id: Cost(
            subject_id,
            Money(row.charged, row.currency),
            Money(accrued[subject_id], row.currency),
            Money(row.charged + accrued[subject_id], row.currency),
            Money(estimated[subject_id], row.currency),
            Money(row.held, row.currency),
            Rate(row.nano_per_hour, row.currency),
            delivered[subject_id],
            min(row.observed_to, row.stopped_at or row.observed_to),
        )
        for subject_id, row in rows.items()
    }
