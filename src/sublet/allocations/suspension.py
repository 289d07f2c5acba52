"""Suspending and resuming, by the customer, for lack of funds or because a node is emptied.

The login closes, processes end, data stay.
"""

from typing import Literal

from sublet.allocations import actions, operations, rows
from sublet.allocations.actions import Situation
from sublet.allocations.audit import WantedRecord
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState
from sublet.audit.record import record
from sublet.billing import meters
from sublet.billing.policy import Policy
from sublet.billing.standing import standing
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.findings import launches

Cause = Literal["customer", "funds", "drain"]


async def request_suspension(session: Session, actor: Actor, id_or_name: str) -> str:
    """Suspend an active allocation of the actor's organization; returns its id.

    From here on it costs the suspended rate. StateForbids in other states, and if it is being suspended already.
    """
    allocation = await rows.lock_of(session, actor, id_or_name)
    if refusal := actions.why_not_suspend(Situation.of(allocation)):
        raise refusal.problem
    await suspend(session, actor, allocation, cause="customer")
    return allocation.id


async def request_resumption(session: Session, actor: Actor, id_or_name: str, *, policy: Policy) -> str:
    """Resume a suspended allocation of the actor's organization; returns its id.

    InsufficientFunds while the wallet cannot carry it, StateForbids otherwise: also if it is being resumed already.
    """
    allocation = await rows.lock_of(session, actor, id_or_name)
    stands = await standing(session, allocation.organization_id, currency=allocation.currency, policy=policy)
    stopped = await launches.are_stopped(session, allocation.organization_id)
    state = await rows.node_state(session, allocation.node_id)
    now = Situation.of(allocation)
    if refusal := actions.why_not_resume(now, stands, stopped=stopped, node_state=state, policy=policy):
        raise refusal.problem
    await resume(session, actor, allocation)
    return allocation.id


async def suspend(session: Session, actor: Actor, allocation: Allocation, *, cause: Cause) -> None:
    """Want a locked allocation suspended; the node follows."""
    now = await database_now(session)
    await _audit(session, actor, allocation, "allocation.suspension_requested", "suspended")
    await rows.want(session, allocation.id, wanted="suspended", suspended_for=cause)
    await operations.start(session, allocation.id, allocation.organization_id, "suspend")
    await meters.switch(session, allocation.id, "suspended", now)


async def resume(session: Session, actor: Actor, allocation: Allocation) -> None:
    """Want a locked allocation active again; it costs the running rate once the node has opened it.

    One that the node has not closed yet costs it from here on: it may well run all the time.
    """
    await _audit(session, actor, allocation, "allocation.resumption_requested", "active")
    await rows.want(session, allocation.id, wanted="active", suspended_for=None)
    await operations.start(session, allocation.id, allocation.organization_id, "resume")
    if allocation.state is AllocationState.ACTIVE:
        await meters.switch(session, allocation.id, "running", await database_now(session))


async def _audit(session: Session, actor: Actor, allocation: Allocation, action: str, wanted: str) -> None:
    await record(
        session,
        actor,
        action,
        "allocation",
        allocation.id,
        before=WantedRecord(state=allocation.state.value, wanted=allocation.wanted),
        after=WantedRecord(state=allocation.state.value, wanted=wanted),
        organization_id=allocation.organization_id,
    )
