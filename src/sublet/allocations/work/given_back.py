"""Ending the claim of what is suspended: only once its node has shown that nothing but its disk is in use."""

from sublet.allocations import claim_findings, rows, suspended_claim
from sublet.allocations.work.pace import AllocationPace
from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.work.outcomes import Again
from sublet.core.work.pace import spread
from sublet.fleet.backend import AppliedState, DesiredAccount

log = telemetry.get_logger(__name__)


async def follow(
    session: Session, allocation_id: str, asked: DesiredAccount, applied: AppliedState, *, pace: AllocationPace
) -> Again:
    """End the claim, if its node was asked to give it back and has; says when the allocation is looked at again.

    While the node shows that it is used though it is suspended, that is a critical finding.
    """
    allocation = await rows.lock(session, allocation_id)
    now = await database_now(session)
    if asked.gives_back and suspended_claim.is_over(allocation, now):
        left = [check for check in applied.given_back if not check.clean]
        if left or not applied.given_back:
            log.error(
                "allocation.claim_not_given_back",
                allocation=allocation.id,
                node=allocation.node_id,
                left=[f"{check.name}: {check.detail}" for check in left],
            )
            await claim_findings.not_given_back(session, allocation, left)
            return Again(spread(pace.longest_repair_wait_seconds))
        if not await suspended_claim.end(session, system_actor("worker"), allocation):
            log.error("allocation.claim_not_had", allocation=allocation.id, node=allocation.node_id)
            return Again(spread(pace.longest_repair_wait_seconds))
    used = [check for check in applied.kept if not check.clean]
    if used:
        await claim_findings.used_while_kept(session, allocation, used)
    else:
        await claim_findings.close(session, allocation)
    due = suspended_claim.seconds_until_due(allocation, now)
    again = spread(pace.longest_repair_wait_seconds if used else pace.verify_seconds)
    return Again(again if due is None or asked.gives_back else min(again, due))
