"""What must be so of every allocation, as the checks ask it."""

from collections.abc import Collection

from sqlalchemy import bindparam, text

from sublet.allocations.states import STEADY, AllocationState
from sublet.billing import meters
from sublet.core.db import Session

METERED_WITHIN_SECONDS = 300
"""So long after a change of state the meter may still be behind."""

_STEADY = text(
    """
    SELECT id, state FROM allocation
     WHERE state IN :steady AND state_since < clock_timestamp() - make_interval(secs => :seconds)
    """
).bindparams(bindparam("steady", sorted(STEADY), expanding=True))
_METERED_AS: dict[AllocationState, meters.Kind] = {
    AllocationState.ACTIVE: "running",
    AllocationState.SUSPENDED: "suspended",
}
_ENDED = text("SELECT id FROM allocation WHERE id = ANY(:ids) AND ended_at IS NOT NULL")


async def not_metered(session: Session) -> list[str]:
    """What runs or is suspended for a while, and is not metered so."""
    rows = (await session.execute(_STEADY, {"seconds": METERED_WITHIN_SECONDS})).all()
    kept: dict[AllocationState, list[str]] = {state: [] for state in _METERED_AS}
    for row in rows:
        kept[AllocationState(row.state)].append(row.id)
    return [one for state, kind in _METERED_AS.items() for one in await meters.not_metered(session, kind, kept[state])]


async def ended_among(session: Session, subject_ids: Collection[str]) -> set[str]:
    """Which of the subjects have ended; the ledger's check for money that is still set aside asks this."""
    return set((await session.execute(_ENDED, {"ids": list(subject_ids)})).scalars())
