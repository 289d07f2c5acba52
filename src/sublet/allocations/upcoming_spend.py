"""What an organization spends soon: on what is being resumed or set up, which no meter shows before its node opens it,
and on what it asks for."""

from sqlalchemy import text

from sublet.billing import rates
from sublet.core.db import Session
from sublet.core.money import Rate

_MORE = text(
    f"""
    SELECT coalesce(sum(CASE o.kind WHEN 'provision' THEN a.nano_per_hour ELSE m.more END), 0)::bigint
      FROM allocation a JOIN allocation_operation o ON o.id = a.operation_id
      LEFT JOIN ({rates.MORE_OF_EACH}) m ON m.subject_id = a.id
     WHERE a.organization_id = :organization_id AND a.currency = :currency AND a.ended_at IS NULL
       AND a.wanted = 'active' AND a.state <> 'active' AND o.kind IN ('provision', 'resume')
       AND o.state = 'running'
    """  # noqa: S608 - only constant expressions
)
_MORE_OF = text(f"SELECT more FROM ({rates.MORE_OF_EACH}) m WHERE subject_id = :id")  # noqa: S608 - a constant


async def more_to_come(session: Session, organization_id: str, currency: str) -> Rate:
    """What everything that is being resumed or set up will cost beyond what it costs now.

    What is set up costs nothing yet: its hold is a part of the money that is left, and has still to pay for it.
    """
    about = {"organization_id": organization_id, "currency": currency}
    return Rate((await session.execute(_MORE, about)).scalar_one(), currency)


async def more_of(session: Session, allocation_id: str, currency: str) -> Rate:
    """What a suspended allocation costs an hour while it runs, beyond what its meter, and so the runway, counts now;
    nothing for what was never metered."""
    return Rate((await session.execute(_MORE_OF, {"id": allocation_id})).scalar_one_or_none() or 0, currency)
