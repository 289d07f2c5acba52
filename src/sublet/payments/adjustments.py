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
from sublet.payments import launch_stop
from sublet.payments.audit import AdjustmentRecord

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


async def create(
    session: Session,
    actor: Actor,
    organization_id: str,
    amount: Money,
    *,
    direction: Direction,
    reason: str,
    alone_up_to: str,
    may_now: MayNow,
) -> tuple[Adjustment | None, Approval | None]:
    """Give or take so much; the customer reads the reason. More than `alone_up_to` takes a second person.

    Unless the approval that comes back is used, it was only asked for, and nothing is in the books. NoWallet for an
    organization without one in that currency.
    """
    if amount.micro <= 0:
        raise InvalidInput("An adjustment is of more than nothing. Nothing was changed.", field="amount")
    approval = None
    if amount > Money.parse(alone_up_to, amount.currency):
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
