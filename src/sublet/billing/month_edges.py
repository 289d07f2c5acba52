"""Usage ends with its month and begins anew with the next: what was delivered in a month is charged in it.

Months are those of the books. A segment that runs over the end of one is cut there, to the microsecond; it delivers
whole seconds from its own start, so that the rest of a second before the edge is in the customer's favour.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from sublet.billing.charges import SECOND, whole_seconds
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.ledger import months

INSTANT = timedelta(microseconds=1)
"""What is delivered until the end of a month is the month's: its charge lies just before the edge."""


def month_sql(at: str) -> str:
    """In which month of the books a time lies, such as `2026-11`, in SQL."""
    return f"to_char(({at}) AT TIME ZONE (SELECT time_zone FROM ledger.books_calendar), 'YYYY-MM')"  # noqa: S608 - only constant expressions


_CROSSING = text(
    f"""
    SELECT s.id, s.subject_id, s.kind, s.price_id, s.nano_per_hour, lower(s.period) AS started,
           upper(s.period) AS ended, s.metered_to, s.posted_to,
           (SELECT array_agg(edge ORDER BY edge)
              FROM ledger.books_calendar k,
                   generate_series(date_trunc('month', s.posted_to AT TIME ZONE k.time_zone) + interval '1 month',
                                   s.metered_to AT TIME ZONE k.time_zone, interval '1 month') AS local,
                   LATERAL (SELECT local AT TIME ZONE k.time_zone AS edge) at
             WHERE edge > s.posted_to AND edge < s.metered_to) AS edges
      FROM meter_segment s
     WHERE s.subject_id = ANY(:subject_ids) AND NOT s.complete
       AND {month_sql("s.posted_to")} IS DISTINCT FROM {month_sql("s.metered_to")}
     ORDER BY s.id
    """  # noqa: S608 - only constant expressions
)
_END = text(
    """
    UPDATE meter_segment
       SET period = tstzrange(lower(period), :ended), metered_to = :metered_to, complete = posted_to = :metered_to
     WHERE id = :id
    """
)
_BEGIN = text(
    """
    INSERT INTO meter_segment (subject_id, period, kind, price_id, nano_per_hour, metered_to, posted_to)
    VALUES (:subject_id, tstzrange(:started, :ended), :kind, :price_id, :nano_per_hour, :metered_to, :started)
    """
)


async def split(session: Session, subject_ids: Collection[str]) -> bool:
    """Cut what is metered and not charged yet at the ends of months; returns whether anything was cut.

    The caller has locked the segments, and meters anew what was cut: each part counts its own whole seconds.
    """
    crossing = (await session.execute(_CROSSING, {"subject_ids": list(subject_ids)})).all()
    parts = {row.id: list(_parts(row)) for row in crossing if row.edges}
    if not parts:
        return False
    await session.execute(_END, [{"id": at, **first} for at, (first, *_) in parts.items()])
    begun = {row.id: row for row in crossing}
    await session.execute(
        _BEGIN,
        [
            {
                "subject_id": begun[at].subject_id,
                "kind": begun[at].kind,
                "price_id": begun[at].price_id,
                "nano_per_hour": begun[at].nano_per_hour,
                **part,
            }
            for at, (_, *later) in parts.items()
            for part in later
        ],
    )
    return True


def _parts(row: Row[Any]) -> Iterator[dict[str, datetime | None]]:
    started: datetime = row.started
    for ended in (*row.edges, row.ended):
        delivered_to = row.metered_to if ended is None else min(row.metered_to, ended)
        metered_to = started + whole_seconds(started, delivered_to) * SECOND
        yield {"started": started, "ended": ended, "metered_to": metered_to}
        started = ended


@dataclass(frozen=True, slots=True)
class Belongs:
    """Where a charge of a month goes in the books: into it, or, once it is closed, into the open one."""

    month: str
    effective_at: datetime
    is_late: bool

    @property
    def addition(self) -> str:
        """What the entry's description says more."""
        return f" in {self.month}, which is closed" if self.is_late else ""

    async def name(self, session: Session, entry_id: int) -> None:
        """Let an entry that came too late for its month name that month."""
        if self.is_late:
            await months.name_corrected(session, entry_id, self.month)


async def belongs(session: Session, month: str, *, until: datetime) -> Belongs:
    """Where what was delivered in the month `until` then is to be posted: at its own time, if that is still open."""
    edge = await months.edge(session, month)
    if edge.is_closed:
        return Belongs(month, await database_now(session), is_late=True)
    return Belongs(month, min(until, edge.ends_at - INSTANT), is_late=False)


_UNCHARGED = text(
    """
    SELECT count(DISTINCT subject_id) FROM meter_segment
     WHERE NOT complete AND posted_to < :before AND metered_to >= posted_to + interval '1 second'
       AND lower(period) < :before
    """
)


async def uncharged(session: Session, *, before: datetime) -> int:
    """How many subjects have proven time before then that is not charged yet."""
    return int((await session.execute(_UNCHARGED, {"before": before})).scalar_one())
