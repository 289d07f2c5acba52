"""What running out of money or reaching a spending limit does to allocations, and what its end does.

Billing's review locks meters; an allocation is always locked before its meter. So the review only publishes what is to
be done, in its own transaction, and the events' handlers do it in theirs.
"""

from typing import Literal

from sublet.allocations import release, rows, suspension
from sublet.allocations.events import DataClockEnded, FundsRanOut, FundsRestored, LimitLifted, LimitReached
from sublet.allocations.states import KEPT, AllocationState
from sublet.billing import data_clock
from sublet.billing.funds import FundsAction
from sublet.billing.limit_review import LimitAction
from sublet.billing.policy import Policy
from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent, publish

_EVENTS = {"suspend": FundsRanOut, "resume": FundsRestored, "release": DataClockEnded}
_OF_LIMITS = {"suspend": LimitReached, "resume": LimitLifted}


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


async def carry_out_limit(session: Session, action: LimitAction) -> None:
    """Have a step of billing's review of limits carried out, in the transaction of that review."""
    event = _OF_LIMITS[action.step](allocation_id=action.subject_id)
    await publish(session, event, subject=action.subject_id, organization_id=action.organization_id)


async def on_funds_ran_out(session: Session, event: StoredEvent) -> None:
    """Suspend the allocation if it still runs; handler of `allocation.funds_ran_out`, harmless when repeated."""
    await _suspend(session, event, "funds")


async def on_data_clock_ended(session: Session, event: StoredEvent, *, policy: Policy) -> None:
    """Release the allocation if it is still suspended and still nobody pays; handler of
    `allocation.data_clock_ended`, harmless when repeated."""
    allocation = await rows.lock_if_any(session, event.subject)
    if allocation is None or allocation.wanted != "suspended" or allocation.state not in KEPT:
        return
    if await data_clock.is_over(session, allocation.organization_id, currency=allocation.currency, policy=policy):
        await release.release_unpaid(session, system_actor("funds"), allocation)


async def on_limit_reached(session: Session, event: StoredEvent) -> None:
    """Suspend the allocation if it still runs; handler of `allocation.limit_reached`, harmless when repeated."""
    await _suspend(session, event, "limit")


async def _suspend(session: Session, event: StoredEvent, cause: Literal["funds", "limit"]) -> None:
    allocation = await rows.lock_if_any(session, event.subject)
    if allocation is None:
        return
    if allocation.wanted == "active" and allocation.state in {AllocationState.ACTIVE, AllocationState.LOST}:
        await suspension.suspend(session, system_actor(cause), allocation, cause=cause)
