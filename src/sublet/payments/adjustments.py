"""Adjustments: an operator gives or takes within the books. The card processor is asked nothing: that is a refund."""

from dataclasses import asdict, dataclass
from typing import Literal

from sublet.approvals import approvals
from sublet.approvals.approvals import Approval, MayNow
from sublet.approvals.states import ApprovalState
from sublet.audit.record import record
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session
from sublet.core.errors import InvalidInput
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.ledger import adjustments as ledger
from sublet.ledger import months
from sublet.payments import launch_stop
from sublet.payments.audit import AdjustmentRecord
from sublet.payments.credits import budget

ACT = "adjustment.create"

Direction = Literal["give", "take"]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A correction that is in the books."""

    id: str
    organization_id: str
    amount: Money
    direction: Direction
    reason: str
    entry_id: int


async def takes_two(
    session: Session,
    organization_id: str,
    amount: Money,
    *,
    direction: Direction,
    alone_up_to: str,
    budget_a_month: str,
) -> bool:
    """Whether this takes a second person; until the session ends nobody else adjusts, or gives credit, alone.

    What nobody approved adds up: each direction of its own, in a month of the books, for an organization to
    `alone_up_to`; and what is given, to all of them, within the budget of credit, which it is by another name.
    """
    stands = await budget.lock(session, a_month=budget_a_month, currency=amount.currency)
    given = direction == "give"
    if given and amount > stands.left:
        return True
    before = await ledger.alone(
        session,
        currency=amount.currency,
        given=given,
        since=await months.began(session),
        organization_id=organization_id,
    )
    return before + amount > Money.parse(alone_up_to, amount.currency)


async def create(
    session: Session,
    actor: Actor,
    organization_id: str,
    amount: Money,
    *,
    direction: Direction,
    reason: str,
    alone_up_to: str,
    budget_a_month: str,
    may_now: MayNow,
) -> tuple[Adjustment | None, Approval | None]:
    """Give or take so much; the customer reads the reason. What `takes_two` says needs a second person.

    Unless the approval that comes back is used, it was only asked for, and nothing is in the books. NoWallet for an
    organization without one in that currency.
    """
    if amount.micro <= 0:
        raise InvalidInput("An adjustment is of more than nothing. Nothing was changed.", field="amount")
    approval = None
    bounds = {"alone_up_to": alone_up_to, "budget_a_month": budget_a_month}
    if await takes_two(session, organization_id, amount, direction=direction, **bounds):
        approval = await approvals.consume_or_request(
            session,
            actor,
            act=ACT,
            subject=organization_id,
            parameters={"amount": asdict(amount.field()), "direction": direction},
            reason=reason,
            permission=Permission.ADMIN_ADJUSTMENT_CREATE,
            may_now=may_now,
        )
        if approval.state is not ApprovalState.USED:
            return None, approval
    adjustment_id = new_id("adj")
    await launch_stop.lock(session, organization_id)
    entry = await ledger.adjust(
        session,
        organization_id,
        amount,
        given=direction == "give",
        adjustment_id=adjustment_id,
        approval_id=None if approval is None else approval.id,
        reason=reason,
    )
    await launch_stop.keep(session, organization_id)
    await record(
        session,
        actor,
        "adjustment.created",
        "adjustment",
        adjustment_id,
        after=AdjustmentRecord(organization_id=organization_id, amount=str(amount), direction=direction, reason=reason),
        organization_id=organization_id,
    )
    return Adjustment(adjustment_id, organization_id, amount, direction, reason, entry.id), approval
