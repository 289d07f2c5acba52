"""Refunds asked for by an operator: out of the wallet first, then the processor is asked."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, select

from sublet.approvals import approvals
from sublet.approvals.approvals import Approval, MayNow
from sublet.approvals.states import ApprovalState
from sublet.audit.record import record
from sublet.core.actors import Actor, Permission
from sublet.core.amounts import read_money
from sublet.core.currencies import micro_per_charge
from sublet.core.db import Session
from sublet.core.errors import InvalidInput, NotFound
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.core.work import leases
from sublet.ledger import refunds as ledger
from sublet.payments.audit import RefundRecord
from sublet.payments.models import refund, top_up
from sublet.payments.refunds.events import RefundBegun
from sublet.payments.refunds.refundable import Payment, RefundNotPossible, of_top_ups, why_not_refund
from sublet.payments.refunds.states import RefundState
from sublet.payments.top_ups.states import TopUpState

WORK = "refund"
ACT = "refund.create"

RefundRow = Row[tuple[Any, ...]]


def read_amount(amount: str, currency: str, *, what: str) -> Money:
    """An amount that a card can be paid; InvalidInput says what is wrong with it."""
    read = read_money(amount, currency, field="amount")
    step = Money(micro_per_charge(currency), currency)
    if read.micro <= 0 or read.micro % step.micro:
        raise InvalidInput(
            f"A {what} is of more than nothing, in steps of {step}. Nothing was changed.", field="amount"
        )
    return read


async def lock_payment(session: Session, top_up_id: str) -> Payment:
    """A payment that arrived, locked until the session's transaction ends; NotFound, and RefundNotPossible for one
    that the books do not have."""
    row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one_or_none()
    if row is None or row.state != TopUpState.SUCCEEDED:
        raise NotFound("payment", top_up_id)
    payment = next(iter(await of_top_ups(session, [row])), None)
    if payment is None:
        raise RefundNotPossible(
            "The books do not have this payment, though it succeeded. Nothing was changed. Check the books "
            "(sublet admin reconcile) and settle what they find first."
        )
    return payment


async def create(
    session: Session,
    actor: Actor,
    top_up_id: str,
    amount: str,
    *,
    reason: str,
    alone_up_to: str,
    may_now: MayNow,
    request_id: str | None = None,
) -> tuple[RefundRow | None, Approval | None]:
    """Take a refund out of the wallet, and have the processor asked for it once the session's transaction commits.

    What one operator has refunded of a payment beyond `alone_up_to` (in the payment's currency) takes a second person:
    unless the approval that comes back is used, it was only asked for, and there is no refund. RefundNotPossible for
    what the payment has not left; InvalidInput for an amount that no card can be paid.
    """
    payment = await lock_payment(session, top_up_id)
    wanted = read_amount(amount, payment.top_up.currency, what="refund")
    if refusal := why_not_refund(payment, wanted):
        raise refusal.problem
    approval = None
    if await _takes_two(session, payment, wanted, alone_up_to=alone_up_to):
        approval = await approvals.consume_or_request(
            session,
            actor,
            act=ACT,
            subject=top_up_id,
            parameters={"amount": asdict(wanted.field()), "request_id": request_id},
            reason=reason,
            permission=Permission.ADMIN_REFUND_CREATE,
            may_now=may_now,
        )
        if approval.state is not ApprovalState.USED:
            return None, approval
    return await _begin(session, actor, payment, wanted, reason=reason, request_id=request_id), approval


async def _takes_two(session: Session, payment: Payment, wanted: Money, *, alone_up_to: str) -> bool:
    """Whether this refund, with what was refunded of the payment before, is more than one operator may decide on."""
    before = select(func.coalesce(func.sum(refund.c.amount), 0)).where(
        refund.c.top_up_id == payment.top_up.id,
        refund.c.origin == "operator",
        refund.c.state.in_([RefundState.PENDING, RefundState.SUCCEEDED]),
    )
    refunded = Money(int((await session.execute(before)).scalar_one()), wanted.currency)
    return refunded + wanted > Money.parse(alone_up_to, wanted.currency)


async def _begin(
    session: Session, actor: Actor, payment: Payment, amount: Money, *, reason: str, request_id: str | None
) -> RefundRow:
    row, refund_id = payment.top_up, new_id("rf")
    entry_id = await ledger.begin(
        session, row.organization_id, amount, charge_id=row.charge_id, refund_id=refund_id, made=False
    )
    if entry_id is None:  # something else took it since we looked
        raise RefundNotPossible(
            f"Less than {amount} of this payment is left by now. Nothing was changed. Look again at what can be "
            "refunded."
        )
    made = refund.insert().values(
        id=refund_id,
        organization_id=row.organization_id,
        top_up_id=row.id,
        request_id=request_id,
        origin="operator",
        requested_by=actor.user_id,
        requested_by_name=actor.name or actor.shown_as,
        amount=amount.micro,
        currency=amount.currency,
        reason=reason,
        entry_id=entry_id,
        owed=0,
    )
    begun: RefundRow = (await session.execute(made.returning(refund))).one()
    await record(
        session,
        actor,
        "refund.created",
        "refund",
        refund_id,
        after=RefundRecord(top_up_id=row.id, amount=str(amount), reason=reason),
        organization_id=row.organization_id,
    )
    event = RefundBegun(refund_id=refund_id, top_up_id=row.id, amount=amount.field())
    await publish(session, event, subject=refund_id, organization_id=row.organization_id)
    await leases.make_due(session, WORK, refund_id, place=row.organization_id)
    return begun


async def get(session: Session, refund_id: str) -> RefundRow:
    """One refund; NotFound."""
    row = (await session.execute(select(refund).where(refund.c.id == refund_id))).one_or_none()
    if row is None:
        raise NotFound("refund", refund_id)
    return row


async def newest(
    session: Session,
    *,
    before: int | None,
    limit: int,
    state: RefundState | None = None,
    organization_id: str | None = None,
) -> Sequence[RefundRow]:
    """Up to `limit` refunds older than the sequence number `before`, newest first."""
    query = select(refund).order_by(refund.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(refund.c.seq < before)
    if state is not None:
        query = query.where(refund.c.state == state)
    if organization_id is not None:
        query = query.where(refund.c.organization_id == organization_id)
    return (await session.execute(query)).all()


async def of_payment(session: Session, top_up_id: str) -> Sequence[RefundRow]:
    """Every refund of a payment, oldest first."""
    return (await session.execute(select(refund).where(refund.c.top_up_id == top_up_id).order_by(refund.c.seq))).all()
