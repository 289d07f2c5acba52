"""What a dispute's standing at the processor means here: money kept aside, given back, or the customer's to pay."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.ledger import disputes as ledger
from sublet.ledger import processor, refunds
from sublet.payments.disputes.states import TRANSITIONS, DisputeState, move
from sublet.payments.launch_stop import withheld_for
from sublet.payments.models import dispute
from sublet.payments.stripe.reversals import DisputeSeen, Movement

log = get_logger(__name__)

OPEN_CODE = "payments.dispute"
INQUIRY_CODE = "payments.inquiry"
DIFFERS_CODE = "payments.dispute_differs"
SUBJECT = "dispute"

_S = DisputeState
_STATES = {"won": _S.WON, "lost": _S.LOST, "warning_closed": _S.CLOSED, "prevented": _S.CLOSED}


async def apply(session: Session, top_up: Row[tuple[Any, ...]], charge_id: str, seen: Sequence[DisputeSeen]) -> None:
    """Make our books agree with the disputes of a payment, in any order and any number of times.

    The caller holds the lock of its organization's stop of launches.
    """
    for one in seen:
        await _apply(session, top_up, charge_id, one)


def state_of(seen: DisputeSeen) -> DisputeState:
    """Where the processor's dispute stands, in our words."""
    return _STATES.get(seen.status) or (_S.INQUIRY if seen.is_inquiry else _S.OPEN)


async def _apply(session: Session, top_up: Row[tuple[Any, ...]], charge_id: str, seen: DisputeSeen) -> None:
    row = await _row(session, top_up, seen)
    taken = 0
    for moved in seen.movements:
        amount = await _book(session, row, seen, moved)
        taken += -amount.micro if moved.given_back else amount.micro
    state, to = _S(row.state), state_of(seen)
    if to in TRANSITIONS[state]:
        await move(session, row.id, to, reason=f"the processor says {seen.status}")
        state = to
    await _say(session, row, seen, state)
    if seen.amount.currency != top_up.currency:
        await _differs(session, row, "it is in another currency than its payment")
        return
    values = {"taken": taken}
    if state is _S.OPEN:
        amount = Money(row.amount, row.currency)
        await ledger.withhold(session, row.organization_id, amount, subject_id=withheld_for(row.id))
    else:
        await ledger.release(session, withheld_for(row.id))
    if state is _S.LOST and taken > 0 and row.charged == 0:
        lost = Money(taken, row.currency)
        entry_id = await ledger.lose(session, row.organization_id, lost, charge_id=charge_id, dispute_id=row.id)
        values |= {"charged": taken, "owed": await refunds.owed_for(session, entry_id)}
    elif taken < 0 or (row.charged and taken != row.charged):
        await _differs(session, row, "more was given back than taken, or a lost dispute changed afterwards")
    await session.execute(update(dispute).where(dispute.c.id == row.id).values(values))


async def _book(session: Session, row: Row[tuple[Any, ...]], seen: DisputeSeen, moved: Movement) -> Money:
    """Book what a dispute took or gave back; what that is in the currency of its payment.

    Settled in another currency, it is all of what is disputed there, which is exchanged; the fee is in that other one.
    """
    about: dict[str, Any] = {"given_back": moved.given_back, "dispute_id": row.id}
    if moved.amount.currency == seen.amount.currency:
        await ledger.move(session, moved.amount, moved.fee, transaction_id=moved.id, **about)
        return moved.amount
    way = 1 if moved.given_back else -1
    await ledger.move(session, seen.amount, Money.zero(seen.amount.currency), transaction_id=moved.id, **about)
    await processor.exchange(
        session,
        Money(way * seen.amount.micro, seen.amount.currency),
        Money(way * moved.amount.micro, moved.amount.currency),
        transaction_id=moved.id,
        source_type=SUBJECT,
        source_id=row.id,
    )
    if moved.fee.micro:
        zero = Money.zero(moved.fee.currency)
        await ledger.move(session, zero, moved.fee, transaction_id=f"{moved.id}:fee", **about)
    return seen.amount


async def _row(session: Session, top_up: Row[tuple[Any, ...]], seen: DisputeSeen) -> Row[tuple[Any, ...]]:
    """Our row, made or brought up to date."""
    told = {"amount": seen.amount.micro, "reason": seen.reason, "due_by": seen.due_by}
    await session.execute(
        insert(dispute)
        .values(
            id=new_id("dsp"),
            processor_id=seen.id,
            organization_id=top_up.organization_id,
            top_up_id=top_up.id,
            currency=seen.amount.currency,
            disputed_at=seen.created_at,
            **told,
        )
        .on_conflict_do_update(index_elements=["processor_id"], set_=told)
    )
    found = select(dispute).where(dispute.c.processor_id == seen.id).with_for_update()
    return (await session.execute(found)).one()


async def _say(session: Session, row: Row[tuple[Any, ...]], seen: DisputeSeen, state: DisputeState) -> None:
    """Tell a person of what waits for an answer, and by when; nobody of what is decided."""
    about = {"subject_type": SUBJECT, "subject_id": row.id}
    for code, where, severity in (
        (INQUIRY_CODE, _S.INQUIRY, Severity.WARNING),
        (OPEN_CODE, _S.OPEN, Severity.CRITICAL),
    ):
        if state is not where:
            await findings.close_finding(session, code=code, **about)
            continue
        await findings.open_finding(
            session,
            code=code,
            **about,
            severity=severity,
            amounts={"disputed": Money(row.amount, row.currency)},
            detail={
                "organization_id": row.organization_id,
                "top_up_id": row.top_up_id,
                "reason": seen.reason,
                "answer by": seen.due_by.isoformat() if seen.due_by else None,
            },
        )


async def _differs(session: Session, row: Row[tuple[Any, ...]], why: str) -> None:
    log.error("dispute.differs", dispute=row.id, why=why)
    await findings.open_finding(
        session,
        code=DIFFERS_CODE,
        subject_type=SUBJECT,
        subject_id=row.id,
        severity=Severity.CRITICAL,
        amounts={"disputed": Money(row.amount, row.currency)},
        detail={"organization_id": row.organization_id, "top_up_id": row.top_up_id, "why": why},
    )
