"""The states of a top-up. Nothing else assigns one."""

from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.payments.models import top_up, top_up_history
from sublet.payments.top_ups.events import TopUpFailed, TopUpNeedsAction, TopUpSucceeded


class TopUpState(StrEnum):
    """Where a top-up stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    NEEDS_ACTION = "needs_action"
    """A charge of a saved card that its bank wants confirmed by the holder, who was not there."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"


OPEN = frozenset({TopUpState.PENDING, TopUpState.PROCESSING, TopUpState.NEEDS_ACTION})
ENDED = frozenset(TopUpState) - OPEN

# Money that did arrive is credited whatever we believed before; from `succeeded` nothing leads away.
TRANSITIONS: dict[TopUpState, frozenset[TopUpState]] = {
    TopUpState.PENDING: frozenset(TopUpState) - {TopUpState.PENDING},
    TopUpState.PROCESSING: frozenset(TopUpState) - {TopUpState.PROCESSING},
    TopUpState.NEEDS_ACTION: frozenset(TopUpState) - {TopUpState.NEEDS_ACTION, TopUpState.PENDING},
    TopUpState.FAILED: frozenset({TopUpState.SUCCEEDED}),
    TopUpState.EXPIRED: frozenset({TopUpState.SUCCEEDED}),
    TopUpState.SUCCEEDED: frozenset(),
}


_TOLD = {
    TopUpState.NEEDS_ACTION: TopUpNeedsAction,
    TopUpState.SUCCEEDED: TopUpSucceeded,
    TopUpState.FAILED: TopUpFailed,
    TopUpState.EXPIRED: TopUpFailed,
}


async def move(session: Session, top_up_id: str, to: TopUpState, *, reason: str, **values: Any) -> None:
    """Bring a top-up into a state, with further column values; Conflict if that is not allowed from where it is."""
    previous = (
        await session.execute(select(top_up.c.state).where(top_up.c.id == top_up_id).with_for_update())
    ).scalar_one()
    if to not in TRANSITIONS[TopUpState(previous)]:
        raise Conflict(f"Top-up {top_up_id} is {previous} and cannot become {to}. Nothing was changed.")
    row = (
        await session.execute(
            update(top_up)
            .where(top_up.c.id == top_up_id, top_up.c.state == previous)
            .values(state=to, completed_at=func.clock_timestamp() if to in ENDED else None, **values)
            .returning(
                top_up.c.organization_id,
                func.coalesce(top_up.c.credited, top_up.c.amount).label("amount"),
                top_up.c.currency,
            )
        )
    ).one()
    await session.execute(
        top_up_history.insert().values(top_up_id=top_up_id, previous=previous, next=to, reason=reason)
    )
    if kind := _TOLD.get(to):
        event = kind(top_up_id=top_up_id, amount=Money(row.amount, row.currency).field())
        await publish(session, event, subject=top_up_id, organization_id=row.organization_id)
