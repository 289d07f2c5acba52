"""What a refund's standing at the processor means here: its money gone, on its way, or in the wallet again.

Refunds that were made in the processor's own pages count the same. Each is a row of its own with its own amount: what
a payment tells of all its refunds together is a sum, and is never booked.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, or_, select, update

from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.ledger import refunds as ledger
from sublet.payments.models import refund
from sublet.payments.refunds.states import TRANSITIONS, RefundState, move
from sublet.payments.stripe.reversals import RefundSeen

log = get_logger(__name__)

DIFFERS_CODE = "payments.refund_differs"
SUBJECT = "refund"
SETTLING_SECONDS = 300.0
"""So long an earlier look may still bring what is no longer so."""

_ENDINGS = {
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.CANCELED,
}

RefundRow = Row[tuple[Any, ...]]


async def apply(session: Session, top_up: Row[tuple[Any, ...]], charge_id: str, seen: Sequence[RefundSeen]) -> None:
    """Make our books agree with the refunds of a payment, in any order and any number of times.

    The caller holds the lock of its organization's stop of launches.
    """
    for one in seen:
        row = await _known(session, top_up, one)
        if row is None and one.status in ("failed", "canceled"):
            continue  # it came to nothing before anything was booked
        row = row or await _made_at_the_processor(session, top_up, charge_id, one)
        await settle(session, row, charge_id, one)


async def settle(session: Session, row: RefundRow, charge_id: str, seen: RefundSeen) -> None:
    """Let a refund be what the processor says it is. The caller holds the lock of the organization's stop."""
    if row.processor_id is None:
        known = update(refund).where(refund.c.id == row.id, refund.c.processor_id.is_(None))
        await session.execute(known.values(processor_id=seen.id))
    state, to = RefundState(row.state), _ENDINGS.get(seen.status)
    if to is None or to is state:
        await findings.close_finding(session, code=DIFFERS_CODE, subject_type=SUBJECT, subject_id=row.id)
        return
    if to not in TRANSITIONS[state]:
        await _differs(session, row, seen)
        return
    if to is RefundState.SUCCEEDED:
        await ledger.succeed(session, row.entry_id, refund_id=row.id)
        await move(session, row.id, to, reason="the processor sent it")
        return
    await give_back(session, row, charge_id, to, reason=seen.failure or "the processor gave no reason")


async def give_back(session: Session, row: RefundRow, charge_id: str, to: RefundState, *, reason: str) -> None:
    """End a refund that did not reach its card: its money is in the wallet again, less what is owed."""
    await ledger.fail(
        session,
        row.organization_id,
        row.entry_id,
        currency=row.currency,
        charge_id=charge_id,
        refund_id=row.id,
        after_success=row.state == RefundState.SUCCEEDED,
    )
    await move(session, row.id, to, reason=reason, failure_code=reason[:200])


async def _known(session: Session, top_up: Row[tuple[Any, ...]], seen: RefundSeen) -> RefundRow | None:
    """Our row, by the processor's id or by ours, which the processor's refund names."""
    is_it = or_(refund.c.processor_id == seen.id, refund.c.id == seen.refund_id)
    query = select(refund).where(refund.c.top_up_id == top_up.id, is_it).with_for_update()
    return (await session.execute(query)).one_or_none()


async def _made_at_the_processor(
    session: Session, top_up: Row[tuple[Any, ...]], charge_id: str, seen: RefundSeen
) -> RefundRow:
    refund_id = new_id("rf")
    entry_id = await ledger.begin(
        session, top_up.organization_id, seen.amount, charge_id=charge_id, refund_id=refund_id, made=True
    )
    assert entry_id is not None  # what was made is never refused
    made = refund.insert().values(
        id=refund_id,
        organization_id=top_up.organization_id,
        top_up_id=top_up.id,
        origin="processor",
        requested_by="processor",
        requested_by_name="the card processor's own pages",
        amount=seen.amount.micro,
        currency=seen.amount.currency,
        reason="made at the card processor",
        processor_id=seen.id,
        entry_id=entry_id,
        owed=await ledger.owed_for(session, entry_id),
    )
    row: RefundRow = (await session.execute(made.returning(refund))).one()
    return row


async def _differs(session: Session, row: RefundRow, seen: RefundSeen) -> None:
    """What ended here goes on there: for a person, unless an earlier look only came late."""
    if (await database_now(session) - row.completed_at).total_seconds() < SETTLING_SECONDS:
        return
    log.error("refund.differs", refund=row.id, state=row.state, status=seen.status)
    await findings.open_finding(
        session,
        code=DIFFERS_CODE,
        subject_type=SUBJECT,
        subject_id=row.id,
        severity=Severity.CRITICAL,
        amounts={"refund": Money(row.amount, row.currency)},
        detail={"here": row.state, "at the processor": seen.status},
    )
