"""Suspending and resuming, by the customer or because funds ran out: the login closes, processes end, data stay."""

from typing import Literal

from sublet.allocations import operations, records
from sublet.allocations.audited import WantedRecord
from sublet.allocations.records import Allocation
from sublet.allocations.states import AllocationState, StateForbids
from sublet.audit.record import record
from sublet.billing import funds, meters, runway
from sublet.billing.policy import DEFAULT_POLICY, Policy
from sublet.core.access import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.money import Rate
from sublet.ledger.failures import InsufficientFunds

Cause = Literal["customer", "funds"]

_S = AllocationState


async def request_suspension(session: Session, actor: Actor, id_or_name: str) -> str:
    """Suspend an active allocation of the actor's organization; returns its id. Asking again is harmless.

    From here on it costs the suspended rate. StateForbids in other states.
    """
    allocation = await records.lock_of(session, actor, id_or_name)
    if allocation.wanted != "suspended":
        if allocation.state is not _S.ACTIVE:
            raise _forbidden(allocation, "suspended", "active")
        await suspend(session, actor, allocation, cause="customer")
    return allocation.id


async def request_resumption(
    session: Session, actor: Actor, id_or_name: str, *, policy: Policy = DEFAULT_POLICY
) -> str:
    """Resume a suspended allocation of the actor's organization; returns its id. Asking again is harmless.

    InsufficientFunds while the wallet cannot carry it, StateForbids in other states.
    """
    allocation = await records.lock_of(session, actor, id_or_name)
    if allocation.wanted == "suspended" and allocation.state is _S.ACTIVE:
        # Else a customer could take each suspension back before the node hears of it, and run at the lower rate.
        raise StateForbids(
            f"{allocation.name} is being suspended. Nothing was changed. Resume it once it is suspended."
        )
    if allocation.wanted == "suspended":
        clock = await funds.clock(session, allocation.organization_id, currency=allocation.currency)
        more = Rate(max(0, allocation.nano_per_hour - allocation.suspended_nano_per_hour), allocation.currency)
        # The grace is paid out of what is left: nobody gets another one by suspending and resuming within it.
        if clock.blocks_launch or not await runway.bears(session, allocation.organization_id, more, policy=policy):
            raise InsufficientFunds(
                f"There is not enough money to run {allocation.name}. It stays suspended and its data are kept. "
                "Top up the wallet: what was suspended for lack of funds then resumes by itself."
            )
        await resume(session, actor, allocation)
    elif allocation.state not in {_S.ACTIVE, _S.SUSPENDED}:
        raise _forbidden(allocation, "resumed", "suspended")
    return allocation.id


async def suspend(session: Session, actor: Actor, allocation: Allocation, *, cause: Cause) -> None:
    """Want a locked allocation suspended; the node follows."""
    now = await database_now(session)
    await _audit(session, actor, allocation, "allocation.suspension_requested", "suspended")
    await records.want(session, allocation.id, wanted="suspended", suspended_for=cause)
    await operations.start(session, allocation.id, allocation.organization_id, "suspend")
    await meters.switch(session, allocation.id, "suspended", now)


async def resume(session: Session, actor: Actor, allocation: Allocation) -> None:
    """Want a locked allocation active again; it costs the running rate once the node has opened it."""
    await _audit(session, actor, allocation, "allocation.resumption_requested", "active")
    await records.want(session, allocation.id, wanted="active", suspended_for=None)
    await operations.start(session, allocation.id, allocation.organization_id, "resume")


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


def _forbidden(allocation: Allocation, become: str, needed: str) -> StateForbids:
    state = allocation.state.value.replace("_", " ")
    return StateForbids(f"{allocation.name} is {state}; only what is {needed} can be {become}. Nothing was changed.")
