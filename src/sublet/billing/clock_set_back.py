"""What was metered at a time that is still to come, by a clock that was set back since, is dated back."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from sublet.billing.policy import Policy
from sublet.core.db import Session
from sublet.core.telemetry import get_logger

log = get_logger(__name__)

# Less than the longest gap mends itself: nothing more is metered until that time has come.
_AHEAD = """
    SELECT m.*, clock_timestamp() AS now,
           (SELECT max(metered_to) FROM meter_segment s WHERE s.subject_id = m.subject_id AND lower(s.period) > now())
             AS metered_to,
           (SELECT min(lower(s.period)) FROM meter_segment s
             WHERE s.subject_id = m.subject_id AND lower(s.period) > now()) AS begins,
           (SELECT max(upper(s.period)) FROM meter_segment s
             WHERE s.subject_id = m.subject_id AND lower(s.period) <= now()) AS ended
      FROM meter m
     WHERE subject_id = ANY(:subject_ids) AND NOT settled
       AND observed_to > clock_timestamp() + CAST(:longest_gap AS interval)
     ORDER BY subject_id FOR NO KEY UPDATE {waiting}
"""
_SET_SEGMENTS_BACK = text(
    """
    UPDATE meter_segment
       SET period = tstzrange(lower(period) - CAST(:step AS interval), upper(period) - CAST(:step AS interval)),
           metered_to = metered_to - CAST(:step AS interval), posted_to = posted_to - CAST(:step AS interval)
     WHERE subject_id = :subject_id AND lower(period) > :now
    """
)
_SET_METER_BACK = text(
    """
    UPDATE meter
       SET started_at = least(started_at, :observed_to), observed_to = :observed_to,
           seen_from = least(seen_from, :observed_to),
           stopped_at = CASE WHEN stopped_at > :now THEN stopped_at - CAST(:step AS interval) ELSE stopped_at END,
           settle_due_at = least(settle_due_at, CAST(:now AS timestamptz) + make_interval(secs => :settle_interval))
     WHERE subject_id = :subject_id
    """
)
_AHEAD_EACH = text(_AHEAD.format(waiting=""))
_AHEAD_FREE = text(_AHEAD.format(waiting="SKIP LOCKED"))
_METERED_TO = text("SELECT max(metered_to) FROM meter_segment WHERE subject_id = :subject_id")


async def mend(session: Session, subject_ids: Collection[str], *, policy: Policy, waiting: bool) -> None:
    """Date back what is metered of the subjects further ahead than the longest gap that still proves anything.

    Unless `waiting`, a subject whose meter somebody else has locked is left alone.
    """
    ahead = await session.execute(
        _AHEAD_EACH if waiting else _AHEAD_FREE,
        {"subject_ids": list(subject_ids), "longest_gap": timedelta(seconds=policy.evidence_gap_seconds)},
    )
    for row in ahead.all():
        await _set_back(session, row, policy=policy)


async def _set_back(session: Session, meter: Row[Any], *, policy: Policy) -> None:
    """Date what was metered ahead of time back, to where the time before it ended, or else so that it ends now."""
    step = timedelta(0)
    if meter.begins is not None:
        step = meter.metered_to - meter.now if meter.ended is None else meter.begins - meter.ended
    log.error("meter.set_back", subject=meter.subject_id, seconds=step.total_seconds())
    about = {"subject_id": meter.subject_id, "step": step, "now": meter.now}
    await session.execute(_SET_SEGMENTS_BACK, about)
    metered_to = (await session.execute(_METERED_TO, {"subject_id": meter.subject_id})).scalar_one()
    observed_to = metered_to or meter.started_at - step
    await session.execute(
        _SET_METER_BACK, {**about, "observed_to": observed_to, "settle_interval": policy.settle_interval_seconds}
    )
