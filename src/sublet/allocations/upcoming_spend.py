"""What an organization spends soon on what is being resumed or set up: no meter shows it before its node opens it."""

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Rate

_MORE = text(
    """
    SELECT coalesce(sum(CASE o.kind WHEN 'provision' THEN a.nano_per_hour
                        ELSE greatest(0, a.nano_per_hour
                                         - coalesce(a.disk_nano_per_hour, a.suspended_nano_per_hour)) END), 0)::bigint
      FROM allocation a JOIN allocation_operation o ON o.id = a.operation_id
     WHERE a.organization_id = :organization_id AND a.currency = :currency AND a.ended_at IS NULL
       AND a.wanted = 'active' AND a.state <> 'active' AND o.kind IN ('provision', 'resume')
       AND o.state = 'running'
    """
)


async def more_to_come(session: Session, organization_id: str, currency: str) -> Rate:
    """What everything that is being resumed or set up will cost beyond what it costs now.

    What is set up costs nothing yet: its hold is a part of the money that is left, and has still to pay for it.
    """
    about = {"organization_id": organization_id, "currency": currency}
    return Rate((await session.execute(_MORE, about)).scalar_one(), currency)
