"""The work on what may run again and waits for room on its node: looked at when something there was given back."""

from sublet.allocations import rows, suspension
from sublet.allocations.suspended_claim import AGAIN_SECONDS, WAITING, has_waited_out, stop_waiting
from sublet.allocations.work.pace import AllocationPace
from sublet.allocations.work.setup import worker
from sublet.core.db import Session
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome
from sublet.core.work.pace import spread

STEPS = (
    Step(
        "try",
        "takes the claim again and wants it active, if money, limits and its node let it run",
        "a claim, and an allocation that is wanted active; or nothing",
        "none needed: one transaction. After so many days it is its customer who resumes it",
    ),
)

END = End(
    MOST_CRASHES,
    "looked at again until there is room, or its time of waiting is over",
    "set aside: it stays suspended, and its customer may resume it",
)


def work(*, pace: AllocationPace) -> Work[None, None]:
    """The kind of work `resumption`; a row is an allocation, its place its node, its tenant its organization."""

    async def take(session: Session, lease: Lease) -> Outcome:
        allocation = await rows.lock_if_any(session, lease.id)
        if allocation is None or allocation.suspended_for != "capacity":
            return Done()
        if await has_waited_out(session, allocation):
            await stop_waiting(session, worker(), allocation)
            return Done()
        await suspension.run_again(session, allocation.id, policy=pace.policy)
        return Again(spread(AGAIN_SECONDS))

    return Work(kind=WAITING, take=take, pace=pace.of_work, end=END, slots=8, slots_each=1, steps=STEPS)
