"""Allocations that nobody asked to change: those on nodes that are away are lost."""

from sqlalchemy import bindparam, text

from sublet.allocations import rows
from sublet.allocations.states import STEADY, AllocationState, move
from sublet.allocations.work.setup import worker
from sublet.core.db import Session

BATCH = 200
_TOLD = "Its node did not answer for too long: it could not be reached, and was not charged meanwhile."

_AWAY = text(
    """
    SELECT a.id FROM allocation a JOIN node_capacity n USING (node_id)
     WHERE a.state IN :steady AND a.on_node AND n.state = 'offline'
     ORDER BY a.id LIMIT :limit FOR NO KEY UPDATE OF a SKIP LOCKED
    """
).bindparams(bindparam("steady", sorted(STEADY), expanding=True))


async def mark_lost(session: Session) -> list[str]:
    """Move what runs on nodes that are offline to lost; nothing is tried on them until the node answers again."""
    lost = list((await session.execute(_AWAY, {"limit": BATCH})).scalars())
    for allocation_id in lost:
        await move(session, worker(), allocation_id, AllocationState.LOST, reason=_TOLD)
        # A newer generation fences what may still be on its way to the node: it is refused once it is answered again.
        await rows.fence(session, allocation_id)
    return lost
