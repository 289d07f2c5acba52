"""Suspending and resuming: by the customer, for lack of funds, for a spending limit or because a node is emptied.

The login closes, processes end, data stay.
"""

from collections.abc import Mapping
from typing import Literal

from sublet.allocations import actions, operations, rows, suspended_claim, upcoming_spend
from sublet.allocations.actions import Situation
from sublet.allocations.audit import WantedRecord
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState
from sublet.audit.record import record
from sublet.billing import meters
from sublet.billing.policy import Policy
from sublet.billing.spend import SpendingLimitForbids
from sublet.billing.standing import standing
from sublet.core.actors import Actor, system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.locks import Space, alone
from sublet.core.outbox import StoredEvent
from sublet.findings import launches
from sublet.fleet import states as node_states

Cause = Literal["customer", "funds", "drain", "limit"]
_BY_ITSELF = frozenset({"funds", "drain", "limit", "capacity"})
"""What was suspended for one of these resumes when nothing stands in its way any more."""

SENTENCES: Mapping[str, str] = {
    "funds": "funds ran out",
    "limit": "a spending limit is reached",
    "drain": "its node is being emptied",
}
"""What the history says of a suspension that nobody asked for."""


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

    InsufficientFunds while the wallet cannot carry it, SpendingLimitForbids while a limit forbids it, NoCapacity while
    others have the claim that it gave back, StateForbids otherwise: also if it is being resumed already.
    """
    allocation = await rows.lock_of(session, actor, id_or_name)
    await alone(session, Space.UPCOMING_SPEND, allocation.organization_id)
    stands = await standing(session, allocation.organization_id, currency=allocation.currency, policy=policy)
    to_come = await upcoming_spend.more_to_come(session, allocation.organization_id, currency=allocation.currency)
    stopped = await launches.are_stopped(session, allocation.organization_id)
    at = await node_states.standing(session, allocation.node_id)
    now = Situation.of(allocation)
    if refusal := actions.why_not_resume(
        now,
        stands,
        more=await upcoming_spend.more_of(session, allocation.id, currency=allocation.currency),
        resuming=to_come,
        stopped=stopped,
        node_standing=at,
        has_room=await suspended_claim.has_room(session, allocation),
        policy=policy,
    ):
        raise refusal.problem
    if not await resume(session, actor, allocation):
        raise actions.no_room(now).problem
    return allocation.id


async def on_occasion(session: Session, event: StoredEvent, *, policy: Policy) -> None:
    """Resume an allocation that its customer did not suspend, if it may run again. Handler of
    `allocation.funds_restored`, `allocation.limit_lifted` and `allocation.node_open`, harmless when repeated.

    If it may not, it waits from now on for what stands in its way: its node, which comes first, money, a limit, or room
    on its node.
    """
    await run_again(session, event.subject, policy=policy)


async def run_again(session: Session, allocation_id: str, *, policy: Policy) -> None:
    """Resume what its customer did not suspend, if it may run again, or note what stands in its way."""
    allocation = await rows.lock_if_any(session, allocation_id)
    if allocation is None or allocation.wanted != "suspended" or allocation.suspended_for not in _BY_ITSELF:
        return
    now = Situation.of(allocation)
    if actions.why_not_run_there(now, await node_states.standing(session, allocation.node_id)):
        await _wait(session, allocation, "drain")
        return
    await alone(session, Space.UPCOMING_SPEND, allocation.organization_id)
    stands = await standing(session, allocation.organization_id, currency=allocation.currency, policy=policy)
    to_come = await upcoming_spend.more_to_come(session, allocation.organization_id, currency=allocation.currency)
    stopped = await launches.are_stopped(session, allocation.organization_id)
    more = await upcoming_spend.more_of(session, allocation.id, currency=allocation.currency)
    if refusal := actions.why_not_afford(now, stands, more=more, resuming=to_come, stopped=stopped, policy=policy):
        await _wait(session, allocation, "limit" if refusal.error is SpendingLimitForbids else "funds")
        return
    actor = system_actor(allocation.suspended_for)
    if not await resume(session, actor, allocation):
        await meters.wait_for(session, allocation.id, None)
        await suspended_claim.wait_for_room(session, actor, allocation)


async def _wait(session: Session, allocation: Allocation, cause: Cause) -> None:
    await rows.note(session, allocation.id, suspended_for=cause)
    await meters.wait_for(session, allocation.id, cause if cause in {"funds", "limit"} else None)
    actor = system_actor(cause)
    await suspended_claim.begin(session, actor, allocation, for_its_node=cause == "drain")


async def suspend(session: Session, actor: Actor, allocation: Allocation, *, cause: Cause) -> None:
    """Want a locked allocation suspended; the node follows."""
    now = await database_now(session)
    await _audit(session, actor, allocation, "allocation.suspension_requested", "suspended")
    await rows.want(session, allocation.id, wanted="suspended", suspended_for=cause)
    await operations.start(session, allocation.id, allocation.organization_id, "suspend")
    await meters.switch(session, allocation.id, "suspended", now)
    await suspended_claim.begin(session, actor, allocation, for_its_node=cause == "drain")


async def resume(session: Session, actor: Actor, allocation: Allocation) -> bool:
    """Want a locked allocation active again; it costs the running rate once the node has opened it, and the suspended
    one until then, for it has its claim. False where others have the claim that it gave back, and nothing was changed
    then.

    One that the node has not closed yet costs the running rate from here on: it may well run all the time.
    """
    gpus = await suspended_claim.take_again(session, allocation)
    if gpus is None:
        return False
    await _audit(session, actor, allocation, "allocation.resumption_requested", "active")
    has_claim = {"claim_kept_until": None, "claim_ended_at": None, "claim_end_told": False, "gpus": gpus}
    await rows.want(session, allocation.id, wanted="active", suspended_for=None, **has_claim)
    await meters.wait_for(session, allocation.id, None)
    await operations.start(session, allocation.id, allocation.organization_id, "resume")
    now = await database_now(session)
    if allocation.state is AllocationState.ACTIVE:
        await meters.switch(session, allocation.id, "running", now)
    else:
        await meters.switch(session, allocation.id, "suspended", now)  # what had its disk alone
        await meters.suspend_until(session, allocation.id, None)  # what kept its claim, and does so from here on
    return True


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
