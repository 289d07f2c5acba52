"""Time that nobody could prove and nobody pays for, by node and customer: who makes a node unobservable is seen."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money


@dataclass(frozen=True, slots=True)
class Unmetered:
    """Unproven time of one customer on one node: how often, how long, and what it would have cost at its rates."""

    node_id: str | None
    organization_id: str
    intervals: int
    subjects: int
    seconds: int
    forgone: Money
    last_at: datetime


_UNMETERED = text(
    """
    SELECT m.node_id, m.organization_id, m.currency, count(*) AS intervals, count(DISTINCT m.subject_id) AS subjects,
           sum(extract(epoch FROM part.upto - part.since))::bigint AS seconds,
           sum(div(m.nano_per_hour::numeric * extract(epoch FROM part.upto - part.since)::bigint, 3600000))::bigint
             AS forgone,
           max(part.upto) AS last_at
      FROM unmetered_interval u
      JOIN meter m ON m.subject_id = u.subject_id
     CROSS JOIN LATERAL (SELECT greatest(lower(u.period), :since) AS since, least(upper(u.period), :until) AS upto) part
     WHERE u.period && tstzrange(:since, :until)
     GROUP BY m.node_id, m.organization_id, m.currency
     ORDER BY seconds DESC, m.node_id, m.organization_id LIMIT :limit
    """
)


async def unmetered(session: Session, *, since: datetime, until: datetime, limit: int) -> list[Unmetered]:
    """Those with the most unproven time between two times first. `forgone` is at the rate for running time."""
    found = await session.execute(_UNMETERED, {"since": since, "until": until, "limit": limit})
    return [
        Unmetered(
            row.node_id,
            row.organization_id,
            row.intervals,
            row.subjects,
            row.seconds,
            Money(row.forgone, row.currency),
            row.last_at,
        )
        for row in found
    ]
