"""Read the audit trail, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from sublet.audit.models import audit_event
from sublet.core.db import Session
from sublet.core.filters import matching


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are wanted; None means any."""

    target_type: str | None = None
    target_id: str | None = None
    actor: str | None = None
    action: str | None = None
    organization_id: str | None = None


async def newest(session: Session, wanted: Filter, *, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """Up to `limit` events older than the sequence number `before`, newest first."""
    columns = {
        audit_event.c.target_type: wanted.target_type,
        audit_event.c.target_id: wanted.target_id,
        audit_event.c.actor_user_id: wanted.actor,
        audit_event.c.action: wanted.action,
        audit_event.c.organization_id: wanted.organization_id,
    }
    statement = select(audit_event).where(*matching(columns)).order_by(audit_event.c.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(audit_event.c.seq < before)
    return (await session.execute(statement)).all()


async def around(
    session: Session, organization_id: str, moment: datetime, *, actions: Sequence[str], limit: int
) -> Sequence[Row[Any]]:
    """Up to `limit` of an organization's events of these kinds, newest first: those nearest to a moment.

    At most half of them are of after it, so that no number of later ones pushes out what preceded it.
    """
    mine = select(audit_event).where(
        audit_event.c.organization_id == organization_id, audit_event.c.action.in_(actions)
    )
    later = mine.where(audit_event.c.occurred_at > moment).order_by(audit_event.c.seq).limit(limit // 2)
    after = (await session.execute(later)).all()[::-1]
    earlier = mine.where(audit_event.c.occurred_at <= moment).order_by(audit_event.c.seq.desc())
    return [*after, *(await session.execute(earlier.limit(limit - len(after)))).all()]
