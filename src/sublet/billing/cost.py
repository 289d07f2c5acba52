"""What a subject has cost so far: charged, and accrued on evidence. Time that nobody has proven costs nothing yet."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from sublet.billing import rates
from sublet.billing.charges import charged_micro_sql, whole_seconds_sql
from sublet.billing.runway import RATE_ENDS
from sublet.core.db import Session
from sublet.core.money import Money, Rate

_PROVEN_TO = f"""CASE WHEN s.complete THEN s.metered_to ELSE
             greatest(s.metered_to, least(m.observed_to, {RATE_ENDS}, now.at)) END"""
_PROVEN = whole_seconds_sql("lower(s.period)", _PROVEN_TO)
_POSTED = whole_seconds_sql("lower(s.period)", "s.posted_to")

COST = f"""
    SELECT m.subject_id, m.currency, charged.micro AS charged, used.accrued, used.delivered_seconds,
           CASE WHEN m.stopped_at IS NULL THEN {rates.NOW} ELSE 0 END AS nano_per_hour,
           least(m.observed_to, m.stopped_at) AS as_of
      FROM meter m
     CROSS JOIN (SELECT clock_timestamp() AS at) now
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(c.amount), 0)::bigint AS micro FROM usage_charge c WHERE c.subject_id = m.subject_id
     ) charged
     CROSS JOIN LATERAL (
       SELECT coalesce(sum({charged_micro_sql("s.nano_per_hour", _PROVEN)}
                           - {charged_micro_sql("s.nano_per_hour", _POSTED)}), 0)::bigint AS accrued,
              coalesce(sum({_PROVEN}) FILTER (WHERE s.kind = 'running'), 0)::bigint AS delivered_seconds
         FROM meter_segment s WHERE s.subject_id = m.subject_id
     ) used
"""  # noqa: S608 - only constant expressions
"""A query with one row for each metered subject, for lists that join it by `subject_id`; `Cost` says what is in it.

`charged` and `accrued` are in micro-units. What was never metered has no row.
"""

_COST_OF = text(f"{COST} WHERE m.subject_id = ANY(:subject_ids)")


@dataclass(frozen=True, slots=True)
class Cost:
    """A subject's cost. `charged` is in the books, `accrued` is proven by `as_of` (the last observation) and not yet
    posted; `total` is both. `rate` is what it costs now, and `delivered_seconds` counts running time."""

    charged: Money
    accrued: Money
    total: Money
    rate: Rate
    delivered_seconds: int
    as_of: datetime


async def cost_of(session: Session, subject_ids: Collection[str]) -> dict[str, Cost]:
    """The cost of each subject that is or was metered; the others are missing from the answer."""
    return {
        row.subject_id: Cost(
            Money(row.charged, row.currency),
            Money(row.accrued, row.currency),
            Money(row.charged + row.accrued, row.currency),
            Rate(row.nano_per_hour, row.currency),
            row.delivered_seconds,
            row.as_of,
        )
        for row in await session.execute(_COST_OF, {"subject_ids": list(subject_ids)})
    }
