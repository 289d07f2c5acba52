"""How long what is suspended keeps its claim: said at once, told again before it ends, and told when it has.

The terms are those of the price that it was launched at. What keeps it suspended counts for nothing, but for the work
on its node: then it is not its owner who keeps it from running, and it keeps what it has.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select

from sublet.allocations import rows
from sublet.allocations.events import AllocationClaimEnded, AllocationClaimEnding, AllocationWaitsForRoom
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.rows import Allocation
from sublet.allocations.states import remark
from sublet.billing import meters
from sublet.catalog import prices, skus
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.outbox import publish
from sublet.core.work import leases
from sublet.scheduling import claims, placement

WAITING = "resumption"
"""The work on what waits for its node to have room again."""

REMINDED_BEFORE = timedelta(hours=1)
"""So long before a claim ends its owner is told again, who was told when it was suspended."""

_TIDY = timedelta(milliseconds=1)


def said(moment: datetime) -> str:
    """`2026-03-01 14:20 UTC`, as the history says it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def is_over(allocation: Allocation, now: datetime) -> bool:
    """Whether its time is over and it still has what it has no right to any more."""
    until = allocation.claim_kept_until
    return allocation.wanted == "suspended" and until is not None and until <= now and allocation.claim_ended_at is None


def seconds_until_due(allocation: Allocation, now: datetime) -> float | None:
    """In how many seconds there is something to do about its claim; None if nothing ends it."""
    until = allocation.claim_kept_until
    if allocation.wanted != "suspended" or until is None or allocation.claim_ended_at is not None:
        return None
    due = until if allocation.claim_end_told else until - REMINDED_BEFORE
    return max(0.0, (due - now + _TIDY).total_seconds())


async def begin(session: Session, actor: Actor, allocation: Allocation, *, for_its_node: bool) -> None:
    """Let the time of a claim begin, if its price gives it one and it does not run already; the row is locked, and its
    meter is of something suspended. `for_its_node`: while its node is worked on no time runs."""
    price = await prices.get(session, allocation.price_id)
    kept_for = price.claim_kept_for
    if kept_for is None or allocation.claim_ended_at is not None:
        return
    now = await database_now(session)
    if for_its_node:
        if allocation.claim_kept_until is not None and allocation.claim_kept_until > now:
            await rows.note(session, allocation.id, claim_kept_until=None, claim_end_told=False)
            await meters.suspend_until(session, allocation.id, None)
        return
    if allocation.claim_kept_until is not None:
        return
    until = now + kept_for
    told = kept_for <= REMINDED_BEFORE
    await rows.look_again(session, allocation.id, claim_kept_until=until, claim_end_told=told)
    await meters.suspend_until(session, allocation.id, until)
    await meters.pass_suspension(session, allocation.id, now)
    if kept_for:
        reason = f"its place on the node is kept until {said(until)}, and its disk after that"
    else:
        reason = "its place on the node is not kept, and its disk is"
    await remark(session, actor, allocation.id, allocation.state, reason=reason)
    await _tell(session, allocation, until)


async def look(session: Session, actor: Actor, allocation: Allocation) -> Allocation:
    """Remind its owner in time, and let its disk's rate apply in time; returns the locked allocation as it is then."""
    now = await database_now(session)
    if seconds_until_due(allocation, now) != 0:
        return allocation
    if is_over(allocation, now):
        await meters.pass_suspension(session, allocation.id, now)
        return allocation
    until = allocation.claim_kept_until
    assert until is not None  # something is due about it
    await remark(
        session, actor, allocation.id, allocation.state, reason=f"its place on the node is given back at {said(until)}"
    )
    await _tell(session, allocation, until)
    return await rows.note(session, allocation.id, claim_end_told=True)


async def _tell(session: Session, allocation: Allocation, until: datetime) -> None:
    event = AllocationClaimEnding(allocation_id=allocation.id, name=allocation.name, kept_until=until)
    await publish(session, event, subject=allocation.id, organization_id=allocation.organization_id)


async def end(session: Session, actor: Actor, allocation: Allocation) -> bool:
    """Give back all but the disk, which its node has shown to be unused; the row is locked. False where there is no
    such claim, or it is blocked: then it is as it was, but for its rate, which ends when it was said to."""
    now = await database_now(session)
    await meters.pass_suspension(session, allocation.id, now)
    if not await claims.keep_disk(session, allocation.id):
        return False
    await rows.note(session, allocation.id, gpus=[], claim_ended_at=now)
    reason = "its place on the node is given back; its disk is kept"
    await remark(session, actor, allocation.id, allocation.state, reason=reason)
    event = AllocationClaimEnded(allocation_id=allocation.id, name=allocation.name, ended_at=now)
    await publish(session, event, subject=allocation.id, organization_id=allocation.organization_id)
    await wake_waiting(session, allocation.node_id)
    return True


async def has_room(session: Session, allocation: Allocation | Row[Any]) -> bool:
    """Whether it has its claim, or its node has room for it again."""
    if allocation.claim_ended_at is None:
        return True
    sku = await skus.get(session, allocation.sku_id)
    return await placement.fits_again(session, sku, allocation.node_id)


async def take_again(session: Session, allocation: Allocation) -> list[str] | None:
    """Its GPUs once it has all of its claim, which it may have had all the time; None where others have it. The row is
    locked."""
    if allocation.claim_ended_at is None:
        return list(allocation.gpus)
    await meters.lock(session, allocation.id)  # before the node, like everybody
    sku = await skus.get(session, allocation.sku_id)
    made = await claims.claim_again(session, sku, allocation.id, allocation.node_id)
    return None if made is None else list(made.gpus)


async def wait_for_room(session: Session, actor: Actor, allocation: Allocation) -> None:
    """Have it resumed by itself once its node has room for it, within `WAITS_DAYS`; the row is locked."""
    if allocation.suspended_for == "capacity":
        return
    now = await database_now(session)
    await rows.note(session, allocation.id, suspended_for="capacity", waits_since=now)
    reason = "it may run again and waits for room on its node, where others have its place"
    await remark(session, actor, allocation.id, allocation.state, reason=reason)
    await _tell_of_waiting(session, allocation, waits=True)
    await leases.make_due(
        session,
        WAITING,
        allocation.id,
        place=allocation.node_id,
        tenant=allocation.organization_id,
        after_seconds=AGAIN_SECONDS,
    )


async def has_waited_out(session: Session, allocation: Allocation) -> bool:
    """Whether what waits for room has waited for as long as it does by itself."""
    now = await database_now(session)
    return allocation.waits_since is not None and allocation.waits_since + timedelta(days=WAITS_DAYS) <= now


async def stop_waiting(session: Session, actor: Actor, allocation: Allocation) -> None:
    """From now on its customer resumes it, or nobody; the row is locked."""
    await rows.note(session, allocation.id, suspended_for="customer", waits_since=None)
    reason = f"no room on its node for {WAITS_DAYS} days: it waits no longer, and is resumed when somebody asks for it"
    await remark(session, actor, allocation.id, allocation.state, reason=reason)
    await _tell_of_waiting(session, allocation, waits=False)


async def _tell_of_waiting(session: Session, allocation: Allocation, *, waits: bool) -> None:
    event = AllocationWaitsForRoom(allocation_id=allocation.id, name=allocation.name, waits=waits)
    await publish(session, event, subject=allocation.id, organization_id=allocation.organization_id)


AGAIN_SECONDS = 60.0
"""Where nobody says that something is free on a node, it is looked at so often."""
WAITS_DAYS = 14
"""So long what waits for room is resumed by itself: after that nobody expects it any more, and it would cost money."""

_WAITING_ON = select(allocation_table.c.id, allocation_table.c.organization_id).order_by(allocation_table.c.waits_since)


async def wake_waiting(session: Session, node_id: str) -> None:
    """Something was given back on a node: look at whatever waits for room there."""
    waiting = _WAITING_ON.where(allocation_table.c.node_id == node_id, allocation_table.c.suspended_for == "capacity")
    for one in await session.execute(waiting):
        await leases.look_again(session, WAITING, one.id, place=node_id, tenant=one.organization_id)
