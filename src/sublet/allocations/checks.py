"""What must be so of every allocation, as the checks ask it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, text

from sublet.allocations import rows
from sublet.allocations.states import STEADY, AllocationState
from sublet.billing import meters
from sublet.core.db import Session
from sublet.core.money import Money
from sublet.core.work import trouble
from sublet.core.work.trouble import Trouble, UnfinishedWork

METERED_WITHIN_SECONDS = 300
"""So long after a change of state the meter may still be behind."""
NANO_IN_A_MICRO = 1000
RECENT_SECONDS = 120
"""What was not proven for so long is not being billed."""

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
_STEADY_AMONG = text("SELECT id, wanted FROM allocation WHERE id = ANY(:ids) AND state IN :steady").bindparams(
    bindparam("steady", sorted(STEADY), expanding=True)
)
_ENDED = text("SELECT id FROM allocation WHERE id = ANY(:ids) AND ended_at IS NOT NULL")


async def not_metered(session: Session) -> list[str]:
    """What runs or is suspended for a while, and is not metered so."""
    steady = (await session.execute(_STEADY, {"seconds": METERED_WITHIN_SECONDS})).all()
    kept: dict[AllocationState, list[str]] = {state: [] for state in _METERED_AS}
    for row in steady:
        kept[AllocationState(row.state)].append(row.id)
    return [one for state, kind in _METERED_AS.items() for one in await meters.not_metered(session, kind, kept[state])]


async def ended_among(session: Session, subject_ids: Collection[str]) -> set[str]:
    """Which of the subjects have ended; the ledger's check for money that is still set aside asks this."""
    return set((await session.execute(_ENDED, {"ids": list(subject_ids)})).scalars())


@dataclass(frozen=True, slots=True)
class NotApplied:
    """What is on a node, and cannot be brought to what is wanted of it.

    Its time is proven up to `proven_to`; `proven` says that this goes on, so that it is billed.
    """

    allocation_id: str
    wanted: str
    cause: UnfinishedWork
    per_hour: Money
    proven: bool
    proven_to: datetime


async def not_applied(session: Session, *, most: int) -> list[NotApplied]:
    """What runs or is suspended, and has not come to what is wanted of it for minutes, however often it was tried."""
    troubles = (Trouble.FAILING, Trouble.CRASHING, Trouble.SET_ASIDE)
    found = await trouble.page(session, *troubles, after=(rows.WORK, ""), limit=most)
    causes = {one.id: one for one in found if one.kind == rows.WORK}
    wanted = {row.id: row.wanted for row in await session.execute(_STEADY_AMONG, {"ids": list(causes)})}
    return [
        NotApplied(
            meter.subject_id,
            wanted[meter.subject_id],
            causes[meter.subject_id],
            Money(meter.nano_per_hour // NANO_IN_A_MICRO, meter.currency),
            meter.proven,
            meter.observed_to,
        )
        for meter in await meters.running(session, wanted, recent_seconds=RECENT_SECONDS)
    ]
