"""The end of an allocation, however it came to it: what it was given is forgotten, and what it took is free."""

from sublet.allocations import claim_findings, environment, ports, rows, startup, suspended_claim
from sublet.allocations.rows import Allocation
from sublet.billing import spending_limits
from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.scheduling import claims


async def forget(session: Session, allocation: Allocation) -> None:
    """Forget what an allocation that has ended was launched with, and give back its ports and its capacity.

    It is for whoever knows that nothing of it is on its node: nothing was begun there, it is proven, or the node will
    not return. Its money is settled before: whoever touches both locks the wallet first.
    """
    await rows.note(session, allocation.id, on_node=False)
    await ports.end(session, allocation)
    await environment.forget(session, allocation.id)
    await startup.end_with(session, system_actor("worker"), allocation)
    await spending_limits.forget(session, allocation.id)
    await claim_findings.close(session, allocation)
    await claims.free(session, allocation.id)
    await suspended_claim.wake_waiting(session, allocation.node_id)
