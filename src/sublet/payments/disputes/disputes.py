"""Disputes as rows: read by operators."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from sublet.core.actions import actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.payments.disputes import answers
from sublet.payments.disputes.schemas import DisputeOut
from sublet.payments.disputes.states import DisputeState
from sublet.payments.models import dispute
from sublet.payments.stripe.processor import Processor


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


async def view(
    session: Session, actor: Actor, rows: Sequence[Row[tuple[Any, ...]]], processor: Processor
) -> list[DisputeOut]:
    """Disputes as shown, each with the newest answer to it, and whether another can be given."""
    last, now = await answers.newest(session, [row.id for row in rows]), await database_now(session)
    shown = []
    for row in rows:
        refusal = answers.why_not_answer(row, last.get(row.id), now, processor)
        actions = actions_of(actor, Permission.ADMIN_DISPUTE_ANSWER, answers.DENIED, {"answer": refusal})
        shown.append(DisputeOut.of(row, last.get(row.id), actions))
    return shown
