"""Credits for what was promised and not delivered: time at an allocation's own rate, once for each cause."""

from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, remark
from sublet.billing.charges import charged_micro
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import credits as ledger_credits


async def rest_of(session: Session, allocation: Allocation, *, delivered_seconds: int) -> Money:
    """What so many seconds of the allocation cost while it runs, less what was credited for it already: nobody is
    credited the same time twice. The caller has the allocation locked."""
    delivered = Money(charged_micro(allocation.nano_per_hour, delivered_seconds), allocation.currency)
    credited = await ledger_credits.served(
        session, allocation.organization_id, currency=allocation.currency, source_id=allocation.id
    )
    return max(delivered - credited, Money.zero(allocation.currency))


async def give(
    session: Session,
    actor: Actor,
    allocation: Allocation,
    *,
    seconds: int,
    at_most: Money | None,
    cause: str,
    because: str,
) -> Money:
    """Credit what so many seconds of the allocation cost while it runs, or `at_most` that; None sets no bound.

    `cause` makes it once, whoever asks again. The caller has the allocation locked. Nothing is posted where it comes to
    less than a millionth.
    """
    amount = Money(charged_micro(allocation.nano_per_hour, seconds), allocation.currency)
    amount = amount if at_most is None else min(amount, at_most)
    if amount.micro > 0:
        await ledger_credits.serve(
            session,
            allocation.organization_id,
            amount,
            idempotency_key=f"service:{cause}:{allocation.id}",
            reason=f"Credit for {allocation.name}: {because}",
            source_id=allocation.id,
        )
        state = AllocationState(allocation.state)
        await remark(session, actor, allocation.id, state, reason=f"{amount} were credited: {because}")
    return amount
