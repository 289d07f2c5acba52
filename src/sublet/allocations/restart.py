"""Restarting elsewhere what is lost: one act that gives it up and launches another like it on a node that answers."""

from sqlalchemy import select

from sublet.allocations import actions, labels, launch, names, operations, rows
from sublet.allocations.actions import Situation
from sublet.allocations.audit import WantedRecord
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, move, remark
from sublet.allocations.work.removal import settle
from sublet.audit.record import record
from sublet.billing import meters
from sublet.billing.policy import Policy
from sublet.core.actors import Actor
from sublet.core.bounds import alone
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.scheduling.offers import Launches

LONGEST_NAME = 31


async def restart_elsewhere(
    session: Session,
    actor: Actor,
    id_or_name: str,
    *,
    price_id: str | None = None,
    policy: Policy,
    launches: Launches,
) -> str:
    """Give up an allocation that is lost and launch its offer anew, at the price in force; returns the new one's id.

    What it cost is settled to what was last seen, and its hold is free for the new one, which has its labels. Its data
    stay on its node, and are wiped when that is back; variables and a startup script have to be given anew.
    StateForbids for one that is not lost; else what `launch` refuses, and nothing is done.
    """
    await alone(session, launch.LAUNCHING, actor.organization)  # before its row and the wallet, as a launch does
    allocation = await rows.lock_of(session, actor, id_or_name)
    if refusal := actions.why_not_restart(Situation.of(allocation)):
        raise refusal.problem
    await _give_up(session, actor, allocation, policy=policy)
    name = await _next_name(session, allocation)
    started = await launch.launch(
        session,
        actor,
        allocation.sku_id,
        currency=allocation.currency,
        name=name,
        price_id=price_id,
        policy=policy,
        launches=launches,
    )
    kept = await labels.of(session, allocation.id)
    await labels.put(session, started, allocation.organization_id, kept)
    state = AllocationState.RELEASING
    await remark(session, actor, allocation.id, state, reason=f"restarted elsewhere as {name} ({started})")
    return started


async def _give_up(session: Session, actor: Actor, allocation: Allocation, *, policy: Policy) -> None:
    now = await database_now(session)
    await record(
        session,
        actor,
        "allocation.restarted_elsewhere",
        "allocation",
        allocation.id,
        before=WantedRecord(state=allocation.state.value, wanted=allocation.wanted),
        after=WantedRecord(state=AllocationState.RELEASING.value, wanted="gone"),
        organization_id=allocation.organization_id,
    )
    await rows.want(session, allocation.id, wanted="gone", suspended_for=None, release_requested_at=now)
    await move(session, actor, allocation.id, AllocationState.RELEASING, reason="restarted elsewhere")
    await operations.start(session, allocation.id, allocation.organization_id, "release")
    await meters.stop(session, allocation.id, now)
    # Its node does not answer, so nothing more can be proven: what was last seen is what there is to pay.
    await settle(session, allocation, policy=policy)


async def _next_name(session: Session, allocation: Allocation) -> str:
    """The name with the next number that nobody has."""
    mine = select(allocation_table.c.name).where(
        allocation_table.c.organization_id == allocation.organization_id, allocation_table.c.ended_at.is_(None)
    )
    taken = set((await session.execute(mine)).scalars())
    stem = allocation.name
    head, _, number = stem.rpartition("-")
    if head and number.isascii() and number.isdecimal() and len(number) < 4:
        stem = head
    for count in range(2, 10_000):
        name = f"{stem[: LONGEST_NAME - len(str(count)) - 1]}-{count}"
        if name not in taken and names.is_allowed(name):
            return name
    return await names.generate(session, allocation.organization_id)
