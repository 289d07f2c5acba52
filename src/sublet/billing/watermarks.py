"""Metering: the watermark of each segment follows what is proven, in whole seconds, any number of times."""

from sqlalchemy import text

from sublet.billing import meters
from sublet.billing.charges import whole_seconds_sql
from sublet.billing.runway import RATE_ENDS
from sublet.core.db import Session

_PROVEN_TO = f"least(m.observed_to, {RATE_ENDS}, clock_timestamp())"

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
METERED_TO_NOW = f"(lower(s.period) + make_interval(secs => {_SECONDS}))"
"""Where the watermark of a segment `s` of a meter `m` belongs by what is proven now, in SQL."""
_TICK = text(_ADVANCE.format(seconds=_SECONDS, proven_to=_PROVEN_TO, scope="", waiting="SKIP LOCKED"))
_TICK_SOME = text(
    _ADVANCE.format(seconds=_SECONDS, proven_to=_PROVEN_TO, scope="AND s.subject_id = ANY(:subject_ids)", waiting="")
)


async def tick(session: Session) -> int:
    """Advance every segment to what is proven by now; returns how many moved. Suspended rates that are over end."""
    await meters.pass_suspensions(session)
    return (await session.execute(_TICK)).rowcount


async def tick_subjects(session: Session, subject_ids: list[str]) -> int:
    """The same for some subjects, whose meters the caller has locked."""
    return (await session.execute(_TICK_SOME, {"subject_ids": subject_ids})).rowcount
