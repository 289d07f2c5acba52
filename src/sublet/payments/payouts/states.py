"""The states of a payout. Nothing else assigns one."""

from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.payments.models import payout, payout_history
from sublet.payments.payouts.events import PayoutChanged


class PayoutState(StrEnum):
    """Where a payout stands: with the processor, with the banks, at ours, or back."""

    CREATED = "created"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"


_S = PayoutState
ENDED = frozenset({_S.PAID, _S.FAILED, _S.CANCELED})

# A bank may send back what had arrived.
TRANSITIONS: dict[PayoutState, frozenset[PayoutState]] = {
    _S.CREATED: frozenset({_S.IN_TRANSIT, _S.PAID, _S.FAILED, _S.CANCELED}),
    _S.IN_TRANSIT: frozenset({_S.PAID, _S.FAILED, _S.CANCELED}),
    _S.PAID: frozenset({_S.FAILED}),
    _S.FAILED: frozenset(),
    _S.CANCELED: frozenset(),
}


async def move(session: Session, payout_id: str, to: PayoutState, *, reason: str, **values: Any) -> None:
    """Bring a payout into a state, with further column values; Conflict if that is not allowed from where it is."""
    previous = (
        await session.execute(select(payout.c.state).where(payout.c.id == payout_id).with_for_update())
    ).scalar_one()
    if to not in TRANSITIONS[PayoutState(previous)]:
        raise Conflict(f"Payout {payout_id} is {previous} and cannot become {to}. Nothing was changed.")
    row = (
        await session.execute(
            update(payout)
            .where(payout.c.id == payout_id, payout.c.state == previous)
            .values(state=to, ended_at=func.clock_timestamp() if to in ENDED else None, **values)
            .returning(payout.c.amount, payout.c.currency)
        )
    ).one()
    await session.execute(
        payout_history.insert().values(payout_id=payout_id, previous=previous, next=to, reason=reason)
    )
    event = PayoutChanged(payout_id=payout_id, state=to.value, amount=Money(row.amount, row.currency).field())
    await publish(session, event, subject=payout_id, organization_id=None)
