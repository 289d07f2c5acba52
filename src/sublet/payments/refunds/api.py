"""Routes of refunds (money back to the card), requests for them, and adjustments (within the books alone)."""

from typing import Annotated

from fastapi import Query

from sublet.approvals.approvals import Approval
from sublet.approvals.schemas import ApprovalOut
from sublet.core.actions import Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.amounts import read_money
from sublet.core.http import ActorDep, SessionDep, SettingsDep, SubletRouter
from sublet.core.pages import FilterText, Page, PageQueryDep, page_of
from sublet.identity.operators import may_now
from sublet.payments import adjustments
from sublet.payments.refund_requests import requests as refund_requests
from sublet.payments.refund_requests.requests import RequestRow
from sublet.payments.refund_requests.states import RefundRequestState
from sublet.payments.refunds import requests
from sublet.payments.refunds.refundable import Payment, payments
from sublet.payments.refunds.schemas import (
    AdjustmentOut,
    BegunRefundOut,
    GrantedOut,
    MadeAdjustmentOut,
    NewAdjustment,
    NewRefund,
    NewRefundRequest,
    PaymentOut,
    RefundOut,
    RefundRequestOut,
    RequestDecision,
)
from sublet.payments.refunds.states import RefundState

router = SubletRouter(prefix="/api/v1", tags=["refunds"])

_DENIED = "This needs the platform role finance or admin."
_NOT_A_PAYER = "This needs the role owner, admin or billing."


@router.get("/payments", permission=Permission.WALLET_READ)
async def list_own_payments(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> Page[PaymentOut]:
    """The organization's payments by card, oldest first, with what of each can go back to its card."""
    (after,) = page.position(int) or (None,)
    found = await refund_requests.own_payments(session, actor, after=after, limit=page.limit + 1)
    refusals = await refund_requests.why_not_request(session, found)
    return page_of(
        found,
        page.limit,
        lambda one: _own_payment(one, actor, refusals.get(one.top_up.id)),
        lambda one: [one.top_up.seq],
    )


@router.get("/refunds", permission=Permission.WALLET_READ)
async def list_own_refunds(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> Page[RefundOut]:
    """The organization's refunds, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await requests.newest(session, before=before, limit=page.limit + 1, organization_id=actor.organization)
    return page_of(rows, page.limit, RefundOut.of, lambda row: [row.seq])


@router.post("/refund-requests", permission=Permission.WALLET_REFUND_REQUEST, creates=True, status_code=201)
async def request_refund(actor: ActorDep, session: SessionDep, body: NewRefundRequest) -> RefundRequestOut:
    """Ask to have a payment back, or part of it; an operator decides, and no money moves before."""
    row = await refund_requests.make(session, actor, body.top_up_id, body.amount, reason=body.reason)
    return _own_request(row, actor)


@router.get("/refund-requests", permission=Permission.WALLET_READ)
async def list_own_requests(actor: ActorDep, session: SessionDep, page: PageQueryDep) -> Page[RefundRequestOut]:
    """What the organization asked to have back, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await refund_requests.newest(
        session, before=before, limit=page.limit + 1, organization_id=actor.organization
    )
    return page_of(rows, page.limit, lambda row: _own_request(row, actor), lambda row: [row.seq])


@router.post("/refund-requests/{refund_request_id}/withdraw", permission=Permission.WALLET_REFUND_REQUEST)
async def withdraw_request(actor: ActorDep, session: SessionDep, refund_request_id: str) -> RefundRequestOut:
    """Take a request back that nobody has decided on."""
    return _own_request(await refund_requests.withdraw(session, actor, refund_request_id), actor)


@router.get("/admin/payments", permission=Permission.ADMIN_REFUND_READ)
async def list_payments(
    actor: ActorDep, session: SessionDep, page: PageQueryDep, organization_id: Annotated[str, Query(max_length=64)]
) -> Page[PaymentOut]:
    """An organization's payments by card, oldest first, with what of each can go back to its card, and why no more."""
    (after,) = page.position(int) or (None,)
    found = await payments(session, organization_id, after=after, limit=page.limit + 1)
    return page_of(found, page.limit, lambda one: _payment(one, actor), lambda one: [one.top_up.seq])


@router.post("/admin/refunds", permission=Permission.ADMIN_REFUND_CREATE, creates=True, status_code=201)
async def create_refund(actor: ActorDep, session: SessionDep, settings: SettingsDep, body: NewRefund) -> BegunRefundOut:
    """Send money back to the card that it came from; above a threshold, a second person has to approve it first."""
    begun, approval = await requests.create(
        session,
        actor,
        body.top_up_id,
        body.amount,
        reason=body.reason,
        alone_up_to=settings.refund_alone_up_to,
        may_now=may_now,
    )
    return BegunRefundOut(
        refund=None if begun is None else RefundOut.of(begun), approval=_approval_out(approval, actor)
    )


@router.get("/admin/refunds", permission=Permission.ADMIN_REFUND_READ)
async def list_refunds(
    session: SessionDep,
    page: PageQueryDep,
    *,
    state: RefundState | None = None,
    organization_id: FilterText = None,
) -> Page[RefundOut]:
    """Every refund, also those made in the processor's own pages, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await requests.newest(
        session, before=before, limit=page.limit + 1, state=state, organization_id=organization_id
    )
    return page_of(rows, page.limit, RefundOut.of, lambda row: [row.seq])


@router.get("/admin/refunds/{refund_id}", permission=Permission.ADMIN_REFUND_READ)
async def show_refund(session: SessionDep, refund_id: str) -> RefundOut:
    """One refund."""
    return RefundOut.of(await requests.get(session, refund_id))


@router.get("/admin/refund-requests", permission=Permission.ADMIN_REFUND_READ)
async def list_requests(
    actor: ActorDep,
    session: SessionDep,
    page: PageQueryDep,
    state: Annotated[RefundRequestState | None, Query()] = None,
) -> Page[RefundRequestOut]:
    """What customers ask to have back, newest first."""
    (before,) = page.position(int) or (None,)
    rows = await refund_requests.newest(session, before=before, limit=page.limit + 1, state=state)
    refusals = await refund_requests.why_not_grant(session, rows)
    return page_of(rows, page.limit, lambda row: _request(row, actor, refusals.get(row.id)), lambda row: [row.seq])


@router.post("/admin/refund-requests/{request_id}/grant", permission=Permission.ADMIN_REFUND_CREATE)
async def grant_request(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, request_id: str, body: RequestDecision
) -> GrantedOut:
    """Say yes, and begin the refund; above a threshold, a second person has to approve it first."""
    row, begun, approval = await refund_requests.grant(
        session,
        actor,
        request_id,
        decision=body.decision,
        alone_up_to=settings.refund_alone_up_to,
        may_now=may_now,
    )
    return GrantedOut(
        request=_request(row, actor, (await refund_requests.why_not_grant(session, [row])).get(row.id)),
        refund=None if begun is None else RefundOut.of(begun),
        approval=_approval_out(approval, actor),
    )


@router.post("/admin/refund-requests/{request_id}/decline", permission=Permission.ADMIN_REFUND_CREATE)
async def decline_request(
    actor: ActorDep, session: SessionDep, request_id: str, body: RequestDecision
) -> RefundRequestOut:
    """Say no; the customer reads why."""
    row = await refund_requests.decline(session, actor, request_id, decision=body.decision)
    return _request(row, actor, refund_requests.why_not_decide(row))


@router.post("/admin/adjustments", permission=Permission.ADMIN_ADJUSTMENT_CREATE, creates=True, status_code=201)
async def create_adjustment(
    actor: ActorDep, session: SessionDep, settings: SettingsDep, body: NewAdjustment
) -> MadeAdjustmentOut:
    """Give or take within the books; beyond what operators may in a month, a second person has to approve it first."""
    amount = read_money(body.amount, body.currency, field="amount")
    made, approval = await adjustments.create(
        session,
        actor,
        body.organization_id,
        amount,
        direction=body.direction,
        reason=body.reason,
        alone_up_to=settings.refund_alone_up_to,
        budget_a_month=settings.credit_budget,
        may_now=may_now,
    )
    return MadeAdjustmentOut(
        adjustment=None if made is None else AdjustmentOut.of(made), approval=_approval_out(approval, actor)
    )


def _approval_out(approval: Approval | None, actor: Actor) -> ApprovalOut | None:
    return None if approval is None else ApprovalOut.of(approval, actor)


def _own_payment(one: Payment, actor: Actor, why_not: Refusal | None) -> PaymentOut:
    actions = actions_of(actor, Permission.WALLET_REFUND_REQUEST, _NOT_A_PAYER, {"request_refund": why_not})
    return PaymentOut.of(one, actions)


def _payment(one: Payment, actor: Actor) -> PaymentOut:
    return PaymentOut.of(one, actions_of(actor, Permission.ADMIN_REFUND_CREATE, _DENIED, {"refund": one.refusal}))


def _own_request(row: RequestRow, actor: Actor) -> RefundRequestOut:
    why_not = {"withdraw": refund_requests.why_not_decide(row)}
    return RefundRequestOut.of(row, actions_of(actor, Permission.WALLET_REFUND_REQUEST, _NOT_A_PAYER, why_not))


def _request(row: RequestRow, actor: Actor, why_not_grant: Refusal | None) -> RefundRequestOut:
    why_not = {"grant": why_not_grant, "decline": refund_requests.why_not_decide(row)}
    return RefundRequestOut.of(row, actions_of(actor, Permission.ADMIN_REFUND_CREATE, _DENIED, why_not))
