"""What the emptying of a node does to those who live there: told at once, suspended at the deadline, resumed after it.

Each is changed in a transaction of its own: what is amiss with one holds up no other.
"""

from datetime import datetime

from sqlalchemy import select

from sublet.allocations import credit, residents, rows, suspension
from sublet.allocations.events import AllocationDrainDue, AllocationNodeDraining, AllocationNodeOpen
from sublet.allocations.incident_kind import Incident
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, remark
from sublet.billing.cost import cost_of
from sublet.core.actors import system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent, publish
from sublet.fleet import drains
from sublet.fleet.states import TAKES_PART

DRAIN = system_actor("drain")


def runs(allocation: Allocation) -> bool:
    """Whether it is active, and is to stay so."""
    return allocation.state is AllocationState.ACTIVE and allocation.wanted == "active"


async def on_drain_begun(session: Session, event: StoredEvent) -> None:
    """Tell the customers whose allocations run on the node; handler of `node.drain_begun`."""
    drain = await drains.of(session, event.data["drain_id"])
    if drain is None:
        return
    for one in await residents.living_on(session, [drain.node_id]):
        allocation = await rows.lock_if_any(session, one.id)
        if allocation is not None and runs(allocation):
            await _give_notice(session, allocation, drain.deadline_at)


async def on_drain_due(session: Session, event: StoredEvent) -> None:
    """Have each allocation suspended that still runs on the node; handler of `node.drain_due`."""
    drain = await drains.of(session, event.data["drain_id"])
    if drain is None:
        return
    for one in await residents.living_on(session, [drain.node_id]):
        if one.organization_id is not None and one.state == AllocationState.ACTIVE.value:
            due = AllocationDrainDue(allocation_id=one.id, drain_id=drain.id)
            await publish(session, due, subject=one.id, organization_id=one.organization_id)


async def on_allocation_drain_due(session: Session, event: StoredEvent) -> None:
    """Suspend the allocation and credit its owner, unless the drain was stopped; handler of `allocation.drain_due`.

    Nobody is credited more time than was delivered: what has only just begun has lost little. Nor is any time credited
    twice, however often its node is emptied.
    """
    allocation = await rows.lock_if_any(session, event.subject)
    drain = await drains.of(session, event.data["drain_id"])
    if allocation is None or drain is None or drain.node_id != allocation.node_id or not runs(allocation):
        return
    cost = (await cost_of(session, [allocation.id])).get(allocation.id)
    delivered_seconds = 0 if cost is None else cost.delivered_seconds
    rest = await credit.rest_of(session, allocation, delivered_seconds=delivered_seconds)
    await suspension.suspend(session, DRAIN, allocation, cause="drain")
    await credit.give(
        session,
        DRAIN,
        allocation,
        seconds=drain.credit_seconds,
        at_most=rest,
        cause=drain.id,
        because="its node was emptied",
    )


async def on_allocation_runs(session: Session, event: StoredEvent) -> None:
    """Treat what has only now come to run on a node that is being emptied as what ran there before: it was just set up,
    resumed, or is back. Handler of `allocation.active` and `allocation.resumed`."""
    allocation = await rows.lock_if_any(session, event.subject)
    if allocation is None or not runs(allocation):
        return
    going_on = (await drains.open_on(session, [allocation.node_id])).get(allocation.node_id)
    if going_on is None:
        return
    if going_on.deadline_at > await database_now(session):
        await _give_notice(session, allocation, going_on.deadline_at)
        return
    due = AllocationDrainDue(allocation_id=allocation.id, drain_id=going_on.id)
    await publish(session, due, subject=allocation.id, organization_id=allocation.organization_id)


async def on_node_changed(session: Session, event: StoredEvent) -> None:
    """Have each looked at that waits for its node, once that takes part again; handler of `node.state_changed`."""
    if event.data["state"] not in TAKES_PART:
        return
    waiting = select(allocation_table.c.id, allocation_table.c.organization_id).where(
        allocation_table.c.node_id == event.subject,
        allocation_table.c.on_node,
        allocation_table.c.suspended_for == "drain",
    )
    for row in (await session.execute(waiting.order_by(allocation_table.c.id))).all():
        is_open = AllocationNodeOpen(allocation_id=row.id)
        await publish(session, is_open, subject=row.id, organization_id=row.organization_id)


async def _give_notice(session: Session, allocation: Allocation, deadline_at: datetime) -> None:
    at = deadline_at.isoformat(timespec="seconds")
    told = (
        f"Its node is being emptied: at {at} every process that still runs in it is ended, and it is suspended with "
        "its data kept. Save your work before that, or release it and launch again: a launch goes to another node."
    )
    if await rows.was_told(session, allocation.id, told):
        return
    incident = Incident.NODE_DRAINING
    await remark(session, DRAIN, allocation.id, allocation.state, reason=told, incident=incident)
    event = AllocationNodeDraining(allocation_id=allocation.id, name=allocation.name, deadline_at=deadline_at)
    await publish(session, event, subject=allocation.id, organization_id=allocation.organization_id)
