"""The states of a refund. Nothing else assigns one."""

from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.payments.models import refund, refund_history
from sublet.payments.refunds.events import RefundFailed, RefundSucceeded


class RefundState(StrEnum):
    """Where a refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


# A bank may send back what had arrived; what failed once is asked for anew.
TRANSITIONS: dict[RefundState, frozenset[RefundState]] = {
    RefundState.PENDING: frozenset(RefundState) - {RefundState.PENDING},
    RefundState.SUCCEEDED: frozenset({RefundState.FAILED}),
    RefundState.FAILED: frozenset(),
    RefundState.CANCELED: frozenset(),
}


async def move(session: Session, refund_id: str, to: RefundState, *, reason: str, **values: Any) -> None:
    """Bring a refund into a state, with further column values; Conflict if that is not allowed from where it is."""
    previous = (
        await session.execute(select(refund.c.state).where(refund.c.id == refund_id).with_for_update())
    ).scalar_one()
    if to not in TRANSITIONS[RefundState(previous)]:
        raise Conflict(f"Refund {refund_id} is {previous} and cannot become {to}. Nothing was changed.")
    row = (
        await session.execute(
            update(refund)
            .where(refund.c.id == refund_id, refund.c.state == previous)
            .values(state=to, completed_at=func.clock_timestamp(), **values)
            .returning(refund.c.organization_id, refund.c.top_up_id, refund.c.amount, refund.c.currency)
        )
    ).one()
    await session.execute(
        refund_history.insert().values(refund_id=refund_id, previous=previous, next=to, reason=reason)
    )
    kind = RefundSucceeded if to is RefundState.SUCCEEDED else RefundFailed
    event = kind(refund_id=refund_id, top_up_id=row.top_up_id, amount=Money(row.amount, row.currency).field())
    await publish(session, event, subject=refund_id, organization_id=row.organization_id)
