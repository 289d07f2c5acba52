"""Disputes as rows: read by operators."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.payments.disputes.states import DisputeState
from sublet.payments.models import dispute


async def get(session: Session, dispute_id: str) -> Row[tuple[Any, ...]]:
    """One dispute; NotFound."""
    row = (await session.execute(select(dispute).where(dispute.c.id == dispute_id))).one_or_none()
    if row is None:
        raise NotFound("dispute", dispute_id)
    return row


async def newest(
    session: Session,
    *,
    before: int | None,
    limit: int,
    state: DisputeState | None = None,
    organization_id: str | None = None,
) -> Sequence[Row[tuple[Any, ...]]]:
    """Up to `limit` disputes older than the sequence number `before`, newest first."""
    query = select(dispute).order_by(dispute.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(dispute.c.seq < before)
    if state is not None:
        query = query.where(dispute.c.state == state)
    if organization_id is not None:
        query = query.where(dispute.c.organization_id == organization_id)
    return (await session.execute(query)).all()
