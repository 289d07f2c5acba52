"""The states of a dispute. Nothing else assigns one."""

from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.payments.disputes.events import DisputeChanged
from sublet.payments.models import dispute, dispute_history


class DisputeState(StrEnum):
    """Where a dispute stands: `inquiry` and `closed` are of one that moved no money."""

    SEEN = "seen"
    INQUIRY = "inquiry"
    CLOSED = "closed"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


_S = DisputeState
DECIDED = frozenset({_S.CLOSED, _S.WON, _S.LOST})

# Disputes are seen when the processor tells of them, wherever they stand by then.
TRANSITIONS: dict[DisputeState, frozenset[DisputeState]] = {
    _S.SEEN: frozenset({_S.INQUIRY, _S.CLOSED, _S.OPEN, _S.WON, _S.LOST}),
    _S.INQUIRY: frozenset({_S.CLOSED, _S.OPEN, _S.WON, _S.LOST}),
    _S.CLOSED: frozenset({_S.OPEN, _S.WON, _S.LOST}),
    _S.OPEN: frozenset({_S.WON, _S.LOST}),
    _S.WON: frozenset(),
    _S.LOST: frozenset(),
}


async def move(session: Session, dispute_id: str, to: DisputeState, *, reason: str, **values: Any) -> None:
    """Bring a dispute into a state, with further column values; Conflict if that is not allowed from where it is."""
    previous = (
        await session.execute(select(dispute.c.state).where(dispute.c.id == dispute_id).with_for_update())
    ).scalar_one()
    if to not in TRANSITIONS[DisputeState(previous)]:
        raise Conflict(f"Dispute {dispute_id} is {previous} and cannot become {to}. Nothing was changed.")
    row = (
        await session.execute(
            update(dispute)
            .where(dispute.c.id == dispute_id, dispute.c.state == previous)
            .values(state=to, decided_at=func.clock_timestamp() if to in DECIDED else None, **values)
            .returning(dispute.c.organization_id, dispute.c.top_up_id, dispute.c.amount, dispute.c.currency)
        )
    ).one()
    await session.execute(
        dispute_history.insert().values(dispute_id=dispute_id, previous=previous, next=to, reason=reason)
    )
    amount = Money(row.amount, row.currency).field()
    event = DisputeChanged(dispute_id=dispute_id, top_up_id=row.top_up_id, state=to.value, amount=amount)
    await publish(session, event, subject=dispute_id, organization_id=row.organization_id)
