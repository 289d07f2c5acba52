"""Restarting elsewhere what is lost: one act that gives it up and launches another like it on a node that answers."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, select, text

from sublet.allocations import actions, labels, launch, names, release, rows
from sublet.allocations.actions import Situation
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.rows import Allocation
from sublet.allocations.states import AllocationState, remark
from sublet.allocations.work.removal import settle
from sublet.billing.cost import cost_of
from sublet.billing.policy import Policy
from sublet.catalog import prices, skus
from sublet.catalog.prices import Price
from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.locks import Space, alone
from sublet.core.money import Money
from sublet.scheduling import offers, placement
from sublet.scheduling.offers import Launches
from sublet.scheduling.windows import FROM_NOW_ON

LONGEST_NAME = 31
_HELD = text("SELECT coalesce(sum(rest), 0)::bigint FROM ledger.open_hold WHERE id = :hold_id")


class NotSold(Conflict):
    """The offer is not sold any more."""

    code = "not_sold"
    title = "It is not sold any more"


@dataclass(frozen=True, slots=True)
class Anew:
    """What is lost as it would run anew: at which price, None where it is not sold, and why it cannot be."""

    price: Price | None
    refusal: Refusal | None


async def anew(
    session: Session, actor: Actor, lost: Allocation | Row[Any], *, policy: Policy, launches: Launches
) -> Anew:
    """How an allocation that is lost would run anew, once it has been given up; of any other, that it is not lost.

    `lost` is an allocation, or a row with what `Situation` takes, `id`, `sku_id` and `hold_id`.
    """
    now = Situation.of(lost)
    if now.state is not AllocationState.LOST:
        return Anew(None, actions.why_not_restart(actor, now, None))
    sku = await skus.get(session, lost.sku_id)
    price = (await prices.in_force(session, [sku.id], currency=lost.currency)).get(sku.id) if sku.active else None
    if price is None:
        launching: Refusal | None = Refusal(
            NotSold, "Its kind is not sold any more.", "Release it, and launch another."
        )
    else:
        means = await offers.means_of(session, actor, currency=lost.currency, policy=policy, launches=launches)
        if means is not None:
            means = replace(means, available=means.available + await _given_back(session, lost))
        is_free = bool(await placement.candidates(session, sku, during=FROM_NOW_ON, limit=1))
        launching = offers.why_not_launch(actor, policy.hold_for(price.per_hour), means, is_free=is_free)
    return Anew(price, actions.why_not_restart(actor, now, launching))


async def _given_back(session: Session, lost: Allocation | Row[Any]) -> Money:
    """What giving it up makes available: the rest of its hold, less what it has cost and was not charged yet."""
    held: int = (await session.execute(_HELD, {"hold_id": lost.hold_id})).scalar_one()
    cost = (await cost_of(session, [lost.id])).get(lost.id)
    owed = 0 if cost is None else cost.accrued.micro
    return Money(held - owed, lost.currency)


async def restart_elsewhere(
    session: Session,
    actor: Actor,
    id_or_name: str,
    *,
    price_id: str,
    policy: Policy,
    launches: Launches,
) -> str:
    """Give up an allocation that is lost and launch its offer anew; returns the new one's id.

    `price_id` is the price that the customer saw: PriceChanged if another is in force. What it cost is settled to what
    was last seen, and its hold is free for the new one, which has its labels. Its data stay on its node, and are wiped
    when that is back; variables and a startup script have to be given anew.
    StateForbids for one that is not lost, NotSold, and what `launch` refuses: nothing is done then.
    """
    await alone(session, Space.LAUNCHES, actor.organization)  # before its row and the wallet, as a launch does
    allocation = await rows.lock_of(session, actor, id_or_name)
    if refusal := (await anew(session, actor, allocation, policy=policy, launches=launches)).refusal:
        raise refusal.problem
    await release.give_up_lost(session, actor, allocation)
    # Its node does not answer, so nothing more can be proven: what was last seen is what there is to pay.
    await settle(session, allocation, policy=policy)
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
