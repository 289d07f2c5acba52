"""What running out of money, and having some again, does to allocations.

Billing's review locks meters; an allocation is always locked before its meter. So the review only publishes what is to
be done, in its own transaction, and the events' handlers do it in theirs.
"""

from sublet.allocations import rows, suspension
from sublet.allocations.events import FundsRanOut, FundsRestored
from sublet.allocations.states import AllocationState
from sublet.billing.funds import FundsAction
from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent, publish

_EVENTS: dict[str, type[FundsRanOut] | type[FundsRestored]] = {"suspend": FundsRanOut, "resume": FundsRestored}


async def carry_out(session: Session, action: FundsAction) -> None:
    """Have a step of billing's review carried out, in the transaction of that review.

    Warnings and the start of the grace are told by billing itself.
    """
    event = _EVENTS.get(action.action)
    if event is not None:
        await publish(
            session,
            event(allocation_id=action.subject_id),
            subject=action.subject_id,
            organization_id=action.organization_id,
        )


async def on_funds_ran_out(session: Session, event: StoredEvent) -> None:
    """Suspend the allocation if it still runs; handler of `allocation.funds_ran_out`, harmless when repeated."""
    allocation = await rows.lock_if_any(session, event.subject)
    if allocation is None:
        return
    if allocation.wanted == "active" and allocation.state in {AllocationState.ACTIVE, AllocationState.LOST}:
        await suspension.suspend(session, system_actor("funds"), allocation, cause="funds")
