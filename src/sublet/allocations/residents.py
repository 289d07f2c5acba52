"""What of customers lives on nodes: the conflict list of whoever empties or retires one."""

from collections.abc import Sequence

from sqlalchemy import select

from sublet.allocations.models import allocation, remnant
from sublet.allocations.states import BEING_SET_UP, AllocationState
from sublet.core.db import Session
from sublet.fleet.residents import Need, Resident
from sublet.scheduling import claims

_NEEDS: dict[AllocationState, Need] = {
    **dict.fromkeys(BEING_SET_UP | {AllocationState.ACTIVE, AllocationState.LOST}, "runs"),
    AllocationState.RELEASING: "cleaning",
}
"""What else has a claim there needs only that its data, or what may be left of it, stay where they are."""


async def living_on(session: Session, node_ids: Sequence[str]) -> list[Resident]:
    """Every allocation with a claim that lasts on the nodes, and every remnant, the earliest first."""
    lasting = await claims.lasting_on(session, node_ids)
    ids = [subject for _, subject, _ in lasting]
    columns = (allocation.c.id, allocation.c.name, allocation.c.organization_id, allocation.c.state)
    rows = await session.execute(select(*columns).where(allocation.c.id.in_(ids)))
    known = {row.id: row for row in rows}
    left = select(remnant.c.id, remnant.c.allocation_id).where(remnant.c.id.in_(ids), remnant.c.cleaned_at.is_(None))
    remnants = {row.id: row.allocation_id for row in await session.execute(left)}
    found = []
    for node_id, subject, gpus in lasting:
        if subject in known:
            row = known[subject]
            state = AllocationState(row.state)
            found.append(
                Resident(
                    node_id,
                    "allocation",
                    subject,
                    row.name,
                    row.organization_id,
                    state.value,
                    _NEEDS.get(state, "kept"),
                    gpus,
                    arrives=state in BEING_SET_UP,
                )
            )
        elif subject in remnants:
            name = f"what is left of {remnants[subject]}"
            found.append(Resident(node_id, "remnant", subject, name, None, "left", "kept", gpus, arrives=False))
    return found
