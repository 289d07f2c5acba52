"""What a payout's standing at the processor means here: on its way, at the bank, or back.

What leaves the balance and comes back to it is booked by its balance transactions; what arrives at the bank, here.
"""

from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.ledger import processor as ledger
from sublet.payments.models import payout
from sublet.payments.payouts.states import TRANSITIONS, PayoutState, move
from sublet.payments.stripe.balance import PayoutSeen

DIFFERS_CODE = "payments.payout_differs"
SUBJECT = "payout"

_S = PayoutState
_STATES = {
    "pending": _S.CREATED,
    "in_transit": _S.IN_TRANSIT,
    "paid": _S.PAID,
    "failed": _S.FAILED,
    "canceled": _S.CANCELED,
}


async def apply(session: Session, seen: PayoutSeen) -> str | None:
    """Make our books agree with a payout, any number of times; its id if it is not known yet what it is made of."""
    row = await _row(session, seen)
    state, to = _S(row.state), _STATES.get(seen.status)
    if to is None or (to is not state and to not in TRANSITIONS[state]):
        await _differs(session, row, seen)
        return None
    await findings.close_finding(session, code=DIFFERS_CODE, subject_type=SUBJECT, subject_id=row.id)
    if to is not state:
        if to is _S.PAID:
            await ledger.payout_arrived(session, seen.amount, source_id=seen.id)
        elif state is _S.PAID:
            await ledger.payout_arrived(session, -seen.amount, source_id=seen.id)
        reason = f"the processor says {seen.status}"
        await move(session, row.id, to, reason=reason, failure_code=seen.failure, arrives_on=seen.arrives_on)
    return row.id if seen.automatic and seen.whole and not row.itemised else None


async def note_itemised(session: Session, payout_id: str) -> None:
    """It is known what a payout is made of."""
    await session.execute(update(payout).where(payout.c.id == payout_id).values(itemised=True))


async def _row(session: Session, seen: PayoutSeen) -> Row[tuple[Any, ...]]:
    """Our row, made if need be."""
    await session.execute(
        insert(payout)
        .values(
            id=new_id("po"),
            processor_id=seen.id,
            amount=seen.amount.micro,
            currency=seen.amount.currency,
            automatic=seen.automatic,
            arrives_on=seen.arrives_on,
            created_at=seen.created_at,
        )
        .on_conflict_do_nothing()
    )
    return (await session.execute(select(payout).where(payout.c.processor_id == seen.id).with_for_update())).one()


async def _differs(session: Session, row: Row[tuple[Any, ...]], seen: PayoutSeen) -> None:
    await findings.open_finding(
        session,
        code=DIFFERS_CODE,
        subject_type=SUBJECT,
        subject_id=row.id,
        severity=Severity.CRITICAL,
        amounts={"payout": Money(row.amount, row.currency)},
        detail={"here": row.state, "at the processor": seen.status},
    )
