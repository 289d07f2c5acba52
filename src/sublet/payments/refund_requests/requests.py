"""A customer asks to have a payment back, and an operator decides."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert

from sublet.approvals.approvals import Approval, MayNow
from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.core.outbox import publish
from sublet.payments.audit import RefundDecisionRecord
from sublet.payments.models import refund_request, top_up
from sublet.payments.refund_requests.states import RefundRequestState, move
from sublet.payments.refunds import requests as refunds
from sublet.payments.refunds.events import RefundRequested
from sublet.payments.refunds.refundable import Payment, RefundNotPossible, of_top_ups, payments, why_not_refund
from sublet.payments.refunds.requests import RefundRow, read_amount

RequestRow = Row[tuple[Any, ...]]

MOST_OF_A_PAYMENT = 10


class AlreadyRequested(Conflict):
    """There is an open request for this payment, or there have been too many."""

    code = "refund_already_requested"


_OPEN = Refusal(
    AlreadyRequested,
    "Your organization has asked for a refund of this payment already, and nobody has decided yet.",
    "Wait for the decision, or withdraw that request.",
)
_TOO_OFTEN = Refusal(
    AlreadyRequested,
    f"Your organization has asked for a refund of this payment {MOST_OF_A_PAYMENT} times.",
    "Write to the operator instead.",
)


async def why_not_request(session: Session, found: Sequence[Payment]) -> dict[str, Refusal]:
    """Why nothing of some payments can be asked for now, by top-up: nothing is left, or there were requests."""
    is_open = func.bool_or(refund_request.c.state == RefundRequestState.REQUESTED)
    asked = (
        select(refund_request.c.top_up_id, func.count().label("requests"), is_open.label("is_open"))
        .where(refund_request.c.top_up_id.in_([one.top_up.id for one in found]))
        .group_by(refund_request.c.top_up_id)
    )
    refusals = {one.top_up.id: one.refusal for one in found if one.refusal is not None}
    for row in await session.execute(asked):
        if row.requests >= MOST_OF_A_PAYMENT or row.is_open:
            refusals.setdefault(row.top_up_id, _OPEN if row.is_open else _TOO_OFTEN)
    return refusals


async def own_payments(session: Session, actor: Actor, *, after: int | None, limit: int) -> list[Payment]:
    """What of the payments of the actor's organization can go back, the oldest first."""
    return await payments(session, actor.organization, after=after, limit=limit)


async def make(session: Session, actor: Actor, top_up_id: str, amount: str, *, reason: str) -> RequestRow:
    """Ask to have so much of a payment back; nothing moves before an operator has decided.

    NotFound for a payment of somebody else, RefundNotPossible for what is spent, AlreadyRequested while one is open.
    """
    own = select(top_up).where(top_up.c.id == top_up_id, top_up.c.organization_id == actor.organization)
    found = await of_top_ups(session, (await session.execute(own)).all())
    if not found:
        raise NotFound("payment", top_up_id)
    wanted = read_amount(amount, found[0].top_up.currency, what="refund")
    if refusal := why_not_refund(found[0], wanted) or (await why_not_request(session, found)).get(top_up_id):
        raise refusal.problem
    made = await session.execute(
        insert(refund_request)
        .values(
            id=new_id("rrq"),
            organization_id=actor.organization,
            top_up_id=top_up_id,
            requested_by=actor.user_id,
            amount=wanted.micro,
            currency=wanted.currency,
            reason=reason,
        )
        .on_conflict_do_nothing()
        .returning(refund_request)
    )
    row: RequestRow | None = made.one_or_none()
    if row is None:
        raise _OPEN.problem
    event = RefundRequested(refund_request_id=row.id, top_up_id=top_up_id, amount=wanted.field())
    await publish(session, event, subject=row.id, organization_id=actor.organization)
    return row


def why_not_decide(row: RequestRow) -> Refusal | None:
    """Why nobody can decide on a refund request, or withdraw it, any more."""
    if row.state == RefundRequestState.REQUESTED:
        return None
    return Refusal(Conflict, f"The request is {row.state} already.")


async def why_not_grant(session: Session, rows: Sequence[RequestRow]) -> dict[str, Refusal]:
    """Why some of the requests cannot be granted now, by id: decided on, or the payment has not so much left."""
    asked = select(top_up).where(top_up.c.id.in_([row.top_up_id for row in rows]))
    left = {one.top_up.id: one for one in await of_top_ups(session, (await session.execute(asked)).all())}
    refusals = {row.id: why_not_decide(row) or _why_not_now(row, left.get(row.top_up_id)) for row in rows}
    return {request_id: refusal for request_id, refusal in refusals.items() if refusal is not None}


def _why_not_now(row: RequestRow, payment: Payment | None) -> Refusal | None:
    if payment is None:
        return Refusal(RefundNotPossible, "The books do not know the payment.")
    return why_not_refund(payment, Money(row.amount, row.currency))


async def withdraw(session: Session, actor: Actor, request_id: str) -> RequestRow:
    """Take a request of the actor's organization back; NotFound, Conflict."""
    row = await _locked(session, request_id, organization_id=actor.organization)
    await move(session, actor, request_id, RefundRequestState.WITHDRAWN, reason="withdrawn by the customer")
    return await get(session, row.id)


async def decline(session: Session, actor: Actor, request_id: str, *, decision: str) -> RequestRow:
    """Say no, with a sentence that the customer reads; NotFound, Conflict."""
    row = await _locked(session, request_id)
    await move(session, actor, request_id, RefundRequestState.DECLINED, reason=decision)
    return await _recorded(session, actor, row, decision)


async def grant(
    session: Session, actor: Actor, request_id: str, *, decision: str, alone_up_to: str, may_now: MayNow
) -> tuple[RequestRow, RefundRow | None, Approval | None]:
    """Say yes, and begin the refund; while a second person has to approve it, the request stays as it is.

    Errors: NotFound, Conflict, and those of `refunds.requests.create`.
    """
    row = await _locked(session, request_id)
    if refusal := (await why_not_grant(session, [row])).get(request_id):
        raise refusal.problem
    amount = Money(row.amount, row.currency).decimal_string()
    begun, approval = await refunds.create(
        session,
        actor,
        row.top_up_id,
        amount,
        reason=row.reason,
        alone_up_to=alone_up_to,
        may_now=may_now,
        request_id=request_id,
    )
    if begun is None:
        return row, None, approval
    await move(session, actor, request_id, RefundRequestState.GRANTED, reason=decision)
    return await _recorded(session, actor, row, decision), begun, approval


async def _recorded(session: Session, actor: Actor, row: RequestRow, decision: str) -> RequestRow:
    after = await get(session, row.id)
    trail = RefundDecisionRecord(
        top_up_id=row.top_up_id, amount=str(Money(row.amount, row.currency)), state=after.state, decision=decision
    )
    await record(
        session,
        actor,
        f"refund_request.{after.state}",
        "refund_request",
        row.id,
        after=trail,
        organization_id=row.organization_id,
    )
    return after


async def _locked(session: Session, request_id: str, *, organization_id: str | None = None) -> RequestRow:
    query = select(refund_request).where(refund_request.c.id == request_id)
    if organization_id is not None:
        query = query.where(refund_request.c.organization_id == organization_id)
    row = (await session.execute(query.with_for_update())).one_or_none()
    if row is None:
        raise NotFound("refund request", request_id)
    if refusal := why_not_decide(row):
        raise refusal.problem
    return row


async def get(session: Session, request_id: str) -> RequestRow:
    """One request; NotFound."""
    row = (await session.execute(select(refund_request).where(refund_request.c.id == request_id))).one_or_none()
    if row is None:
        raise NotFound("refund request", request_id)
    return row


async def newest(
    session: Session,
    *,
    before: int | None,
    limit: int,
    organization_id: str | None = None,
    state: RefundRequestState | None = None,
) -> Sequence[RequestRow]:
    """Up to `limit` requests older than the sequence number `before`, newest first."""
    query = select(refund_request).order_by(refund_request.c.seq.desc()).limit(limit)
    if organization_id is not None:
        query = query.where(refund_request.c.organization_id == organization_id)
    if state is not None:
        query = query.where(refund_request.c.state == state)
    if before is not None:
        query = query.where(refund_request.c.seq < before)
    return (await session.execute(query)).all()
