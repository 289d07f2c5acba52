"""What the books and the fleet say about allocations that nobody asked for: lost ones, and ended ones."""

from collections.abc import Collection

from sqlalchemy import text

from sublet.allocations import rows
from sublet.allocations.states import AllocationState, move
from sublet.allocations.work.setup import worker
from sublet.billing import meters
from sublet.core.db import Session

BATCH = 200

_AWAY = text(
    """
    SELECT a.id FROM allocation a JOIN node_capacity n USING (node_id)
     WHERE a.state IN ('active', 'suspended') AND a.on_node AND n.state = 'offline'
     ORDER BY a.id LIMIT :limit FOR NO KEY UPDATE OF a SKIP LOCKED
    """
)
_STEADY = text(
    """
    SELECT id, state FROM allocation
     WHERE state IN ('active', 'suspended') AND state_since < clock_timestamp() - interval '5 minutes'
    """
)
_METERED_AS: dict[AllocationState, meters.Kind] = {
    AllocationState.ACTIVE: "running",
    AllocationState.SUSPENDED: "suspended",
}
_ENDED = text("SELECT id FROM allocation WHERE id = ANY(:ids) AND ended_at IS NOT NULL")


async def mark_lost(session: Session) -> list[str]:
    """Move what runs on nodes that are offline to lost; nothing is tried on them until the node answers again."""
    lost = list((await session.execute(_AWAY, {"limit": BATCH})).scalars())
    for allocation_id in lost:
        await move(session, worker(), allocation_id, AllocationState.LOST, reason="its node does not answer")
        await rows.rest(session, allocation_id, unproven=True)
    return lost


async def not_metered(session: Session) -> list[str]:
    """What runs or is suspended for a while, and is not metered so."""
    rows = (await session.execute(_STEADY)).all()
    kept: dict[AllocationState, list[str]] = {state: [] for state in _METERED_AS}
    for row in rows:
        kept[AllocationState(row.state)].append(row.id)
    return [one for state, kind in _METERED_AS.items() for one in await meters.not_metered(session, kind, kept[state])]


async def ended_among(session: Session, subject_ids: Collection[str]) -> set[str]:
    """Which of the subjects have ended; the ledger's check for money that is still set aside asks this."""
    return set((await session.execute(_ENDED, {"ids": list(subject_ids)})).scalars())
