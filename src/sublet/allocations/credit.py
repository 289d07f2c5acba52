"""Credits for what was promised and not delivered: time at an allocation's own rate, once for each cause."""

from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, remark
from sublet.billing.charges import charged_micro
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.ledger import credits as ledger_credits


async def give(
    session: Session, actor: Actor, allocation: Allocation, *, seconds: int, cause: str, because: str
) -> Money:
    """Credit what so many seconds of the allocation cost while it runs; `cause` makes it once, whoever asks again.

    The caller has the allocation locked. Nothing is posted where it comes to less than a millionth.
    """
    amount = Money(charged_micro(allocation.nano_per_hour, seconds), allocation.currency)
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
