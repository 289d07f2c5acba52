"""What a settlement takes: subjects whose interval is over, metered to now, and what each of them owes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from sublet.billing import month_edges, watermarks
from sublet.billing.charges import charged_micro_sql, whole_seconds_sql
from sublet.core.db import Session

Place = tuple[str, str]
"""Where the next batch goes on: after a time at which subjects are due, and after a subject of that time."""

START: Place = ("-infinity", "")


@dataclass(frozen=True, slots=True)
class Taken:
    """Subjects whose meters and segments are locked, in order, and what they owe: a row for each month, currency and
    kind of meter. `next` is where those begin that were not taken, `as_of` is when that was."""

    subject_ids: list[str]
    owed: list[Row[Any]]
    next: Place
    as_of: datetime


_OWED_TO = charged_micro_sql("s.nano_per_hour", whole_seconds_sql("s.started", "s.metered_to"))
_OWED_BEFORE = charged_micro_sql("s.nano_per_hour", whole_seconds_sql("s.started", "s.posted_to"))
_POSTED_IN, _METERED_IN = month_edges.month_sql("s.posted_to"), month_edges.month_sql("s.metered_to")
_OWED = f"""
    SELECT month, currency, meter_kind, max(metered_to) AS metered_to, bool_or(crosses) AS crosses,
           array_agg(subject_id) AS subject_ids, array_agg(hold_id) AS hold_ids, array_agg(amount) AS amounts
      FROM (SELECT s.subject_id, s.hold_id, s.currency, s.meter_kind, {_POSTED_IN} AS month,
                   bool_or({_POSTED_IN} <> {_METERED_IN}) AS crosses,
                   max(s.metered_to) AS metered_to, sum({_OWED_TO} - {_OWED_BEFORE})::bigint AS amount
              FROM {{segments}} s
             GROUP BY s.subject_id, s.hold_id, s.currency, s.meter_kind, month) owed
     GROUP BY month, currency, meter_kind
"""  # noqa: S608 - only constant expressions
_SEGMENTS = """
      SELECT s.id, s.subject_id, m.hold_id, m.currency, m.meter_kind, s.nano_per_hour, lower(s.period) AS started,
             s.posted_to, {metered_to} AS metered_to
        FROM meter_segment s JOIN meter m ON m.subject_id = s.subject_id
       WHERE NOT s.complete AND s.subject_id = ANY({subject_ids})
"""
"""By an array of subjects: the index of open segments finds those, and not the one that refuses overlaps."""

# Whoever asks for the next ones says after which, so that each is looked at once, whatever became of it. The time of
# the statement ends the look into the index, which the time of each row could not.
_LOCK_DUE = text(
    """
    SELECT array_agg(subject_id ORDER BY settle_due_at, subject_id) AS subject_ids, max(settle_due_at) AS last_due_at,
           statement_timestamp() AS as_of
      FROM (SELECT subject_id, settle_due_at FROM meter
             WHERE settle_due_at <= statement_timestamp() AND stopped_at IS NULL
               AND (settle_due_at, subject_id) > (CAST(:after_time AS timestamptz), :after_subject)
             ORDER BY settle_due_at, subject_id LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED) due
    """
)
# Segments are begun and ended under the lock of their meter. What reads them begins after that is had: a statement that
# takes it as well would not see what was begun since it looked, and the one that records what was charged would. A
# segment that a tick works on is waited for, and those that need no tick are locked as well.
_TICK_AND_OWE = text(
    f"""
    WITH locked AS (
      {
        _SEGMENTS.format(
            metered_to=f"greatest(s.metered_to, {watermarks.METERED_TO_NOW})",
            subject_ids=":subject_ids",
        )
    }
       ORDER BY s.id FOR NO KEY UPDATE OF s
    ), ticked AS (
      UPDATE meter_segment s SET metered_to = locked.metered_to FROM locked
       WHERE s.id = locked.id AND s.metered_to < locked.metered_to
    )
    {_OWED.format(segments="locked")}
     ORDER BY month, currency, meter_kind
    """  # noqa: S608 - only constant expressions
)
_OWED_AFTER = text(
    f"""
    {_OWED.format(segments=f"({_SEGMENTS.format(metered_to='s.metered_to', subject_ids=':subject_ids')})")}
     ORDER BY month, currency, meter_kind
    """
)


async def take(session: Session, *, after: Place, limit: int) -> Taken | None:
    """Lock running subjects whose interval is over, and advance their segments to what is proven; None: nothing is due.

    Meters that somebody else works on are not taken. What runs over the end of a month is cut there.
    """
    asked = {"after_time": after[0], "after_subject": after[1], "limit": limit}
    due = (await session.execute(_LOCK_DUE, asked)).one()
    if due.subject_ids is None:
        return None
    subject_ids: list[str] = due.subject_ids
    owed = (await session.execute(_TICK_AND_OWE, {"subject_ids": subject_ids})).all()
    if any(row.crosses for row in owed):
        if await month_edges.split(session, subject_ids):
            await watermarks.tick_subjects(session, subject_ids)
        owed = (await session.execute(_OWED_AFTER, {"subject_ids": subject_ids})).all()
    return Taken(subject_ids, list(owed), (due.last_due_at.isoformat(), subject_ids[-1]), due.as_of)
