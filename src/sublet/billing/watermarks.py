"""Metering: the watermark of each segment follows what is proven, in whole seconds, any number of times."""

from sqlalchemy import text

from sublet.billing.charges import whole_seconds_sql
from sublet.core.db import Session

_PROVEN_TO = "least(m.observed_to, upper(s.period), clock_timestamp())"

# A tick that was missed makes the next interval longer; one that runs twice finds nothing to do. Segments that
# somebody else works on are left for the next tick, or waited for: `due` has each as it is once it is locked.
_ADVANCE = """
    WITH due AS (
      SELECT s.id, lower(s.period) + make_interval(secs => {seconds}) AS metered_to
        FROM meter_segment s JOIN meter m ON m.subject_id = s.subject_id
       WHERE NOT s.complete AND {proven_to} >= s.metered_to + interval '1 second' {scope}
       ORDER BY s.id FOR NO KEY UPDATE OF s {waiting}
    )
    UPDATE meter_segment s SET metered_to = due.metered_to FROM due WHERE s.id = due.id
"""
_SECONDS = whole_seconds_sql("lower(s.period)", _PROVEN_TO)
_TICK = text(_ADVANCE.format(seconds=_SECONDS, proven_to=_PROVEN_TO, scope="", waiting="SKIP LOCKED"))
_TICK_SOME = text(
    _ADVANCE.format(seconds=_SECONDS, proven_to=_PROVEN_TO, scope="AND s.subject_id = ANY(:subject_ids)", waiting="")
)
_TICK_AND_LOCK = text(
    f"""
    WITH locked AS (
      SELECT s.id, s.metered_to, lower(s.period) + make_interval(secs => {_SECONDS}) AS proven_to
        FROM meter_segment s JOIN meter m ON m.subject_id = s.subject_id
       WHERE NOT s.complete AND s.subject_id = ANY(:subject_ids)
       ORDER BY s.id FOR NO KEY UPDATE OF s
    )
    UPDATE meter_segment s SET metered_to = locked.proven_to FROM locked
     WHERE s.id = locked.id AND locked.proven_to > locked.metered_to
    """  # noqa: S608 - only constant expressions
)


async def tick(session: Session) -> int:
    """Advance every segment to what is proven by now; returns how many moved."""
    return (await session.execute(_TICK)).rowcount


async def tick_subjects(session: Session, subject_ids: list[str]) -> int:
    """The same for some subjects, whose meters the caller has locked."""
    return (await session.execute(_TICK_SOME, {"subject_ids": subject_ids})).rowcount


async def tick_and_lock(session: Session, subject_ids: list[str]) -> None:
    """The same, and no other tick moves their segments on until the transaction ends: also those that stay."""
    await session.execute(_TICK_AND_LOCK, {"subject_ids": subject_ids})
