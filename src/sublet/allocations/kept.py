"""What of a node stays taken after what had it is over: not proven clean, and so given to nobody."""

from sublet.allocations import remnants
from sublet.core.db import Session
from sublet.fleet.nodes import KeptCapacity
from sublet.scheduling import claims

BEING_CLEANED = "Left by a launch that went to another node. The node is asked to clean it."


async def kept_on(session: Session, node_id: str) -> list[KeptCapacity]:
    """What is kept on a node, with why and since when; the earliest first."""
    left = {one.id: one for one in await remnants.open_on(session, node_id)}
    kept = []
    for claim in await claims.not_given_out(session, node_id, subjects=left):
        remnant = left.get(claim.subject_id)
        since = claim.blocked_at if remnant is None else remnant.left_at
        assert since is not None  # it is blocked, or a remnant's
        kept.append(
            KeptCapacity(
                allocation_id=claim.subject_id if remnant is None else remnant.allocation_id,
                vcpu=claim.vcpu,
                memory_mib=claim.memory_mib,
                disk_gib=claim.disk_gib,
                gpus=claim.gpus,
                reason=claim.blocked_reason or BEING_CLEANED,
                since=since,
            )
        )
    return kept
