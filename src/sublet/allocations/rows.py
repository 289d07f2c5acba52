"""Reading an allocation for work on it, and making it due when what is wanted has changed."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, func, select, text, update

from sublet.allocations.models import allocation, history
from sublet.allocations.states import KEPT, AllocationState
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.ids import is_id
from sublet.core.work import leases

Wanted = Literal["active", "suspended", "gone"]

WORK = "allocation"


@dataclass(frozen=True, slots=True)
class Allocation:
    """What work on an allocation needs to know; `sku` is as it was sold."""

    id: str
    organization_id: str
    name: str
    state: AllocationState
    wanted: Wanted
    suspended_for: str | None
    generation: int
    applied_generation: int
    disconnect_generation: int
    on_node: bool
    unproven: bool
    sku_id: str
    sku: dict[str, Any]
    price_id: str
    nano_per_hour: int
    suspended_nano_per_hour: int
    currency: str
    hold_id: int
    node_id: str
    gpus: list[str]
    login: str
    uid: int
    boot_id: str | None
    created_at: datetime
    started_at: datetime | None
    release_requested_at: datetime | None
    claim_kept_until: datetime | None
    claim_ended_at: datetime | None
    claim_end_told: bool
    waits_since: datetime | None
    disk_nano_per_hour: int | None

    @property
    def is_as_wanted(self) -> bool:
        """Whether the newest wish has been applied, so that nothing else may be found on the node."""
        return self.applied_generation == self.generation


_COLUMNS = [allocation.c[field.name] for field in fields(Allocation)]


def _read(row: Row[Any]) -> Allocation:
    return Allocation(**{**row._mapping, "state": AllocationState(row.state)})


async def _one(session: Session, statement: Select[Any], allocation_id: str) -> Allocation:
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("allocation", allocation_id)
    return _read(row)


async def lock(session: Session, allocation_id: str) -> Allocation:
    """The allocation, locked until the transaction ends; NotFound."""
    statement = select(*_COLUMNS).where(allocation.c.id == allocation_id).with_for_update(key_share=True)
    return await _one(session, statement, allocation_id)


async def lock_if_any(session: Session, allocation_id: str) -> Allocation | None:
    """The allocation, locked; None if there is none: for ids that come from an event."""
    statement = select(*_COLUMNS).where(allocation.c.id == allocation_id).with_for_update(key_share=True)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else _read(row)


async def id_of(session: Session, actor: Actor, id_or_name: str) -> str:
    """The id of an allocation of the actor's organization; NotFound."""
    statement = scoped(select(allocation.c.id), actor.organization, id_or_name)
    found: str | None = (await session.execute(statement)).scalar_one_or_none()
    if found is None:
        raise NotFound("allocation", id_or_name)
    return found


async def currency_of(session: Session, organization_id: str, allocation_id: str) -> str:
    """What an allocation of the organization that has not ended is paid for in; NotFound."""
    statement = scoped(select(allocation.c.currency), organization_id, allocation_id)
    found: str | None = (await session.execute(statement.where(allocation.c.ended_at.is_(None)))).scalar_one_or_none()
    if found is None:
        raise NotFound("allocation", allocation_id)
    return found


async def lock_of(session: Session, actor: Actor, id_or_name: str) -> Allocation:
    """An allocation of the actor's organization, locked; a name means the one that has not ended. NotFound."""
    statement = scoped(select(*_COLUMNS), actor.organization, id_or_name).with_for_update(key_share=True)
    return await _one(session, statement, id_or_name)


def scoped(statement: Select[Any], organization_id: str, id_or_name: str) -> Select[Any]:
    """Narrow a statement to one allocation of an organization, by id or by the name of one that has not ended."""
    statement = statement.where(allocation.c.organization_id == organization_id)
    if is_id(id_or_name):
        return statement.where(allocation.c.id == id_or_name)
    return statement.where(allocation.c.name == id_or_name, allocation.c.ended_at.is_(None))


_BEING_SET_UP = text(
    """
    SELECT count(*) FROM allocation
     WHERE organization_id = :organization_id AND state IN ('queued', 'provisioning')
    """
)


async def count_being_set_up(session: Session, organization_id: str) -> int:
    """How many launches of an organization are under way."""
    counted: int = (await session.execute(_BEING_SET_UP, {"organization_id": organization_id})).scalar_one()
    return counted


_NTH_NEWEST = text(
    """
    SELECT created_at > clock_timestamp() - interval '1 hour' FROM allocation
     WHERE organization_id = :organization_id ORDER BY seq DESC OFFSET :before LIMIT 1
    """
)


async def began_within_an_hour(session: Session, organization_id: str, most: int) -> bool:
    """Whether an organization has begun so many launches within an hour, whatever became of them."""
    asked = {"organization_id": organization_id, "before": most - 1}
    return bool((await session.execute(_NTH_NEWEST, asked)).scalar_one_or_none())


async def was_told(session: Session, allocation_id: str, reason: str) -> bool:
    """Whether exactly this is in the allocation's history."""
    told = select(history.c.id).where(history.c.allocation_id == allocation_id, history.c.reason == reason)
    return (await session.execute(told.limit(1))).first() is not None


async def other_logins(session: Session, allocation_id: str, node_id: str) -> tuple[str, ...]:
    """The logins that the organization of an allocation has on a node, besides the allocation's own."""
    organization = select(allocation.c.organization_id).where(allocation.c.id == allocation_id).scalar_subquery()
    others = select(allocation.c.login).where(
        allocation.c.organization_id == organization,
        allocation.c.node_id == node_id,
        allocation.c.on_node,
        allocation.c.id != allocation_id,
    )
    return tuple((await session.execute(others.order_by(allocation.c.login))).scalars())


async def want(session: Session, allocation_id: str, **values: Any) -> None:
    """Change what is wanted: a new generation, due at once, whoever works on the old one is overtaken.

    The lease of a running worker ends here, so its result is refused, and the node refuses its later commands.
    """
    where = await _change(session, allocation_id, generation=allocation.c.generation + 1, **values)
    await leases.overtake(session, WORK, allocation_id, place=where.node_id, tenant=where.organization_id)


async def freshen(session: Session, allocation_id: str, *, disconnect: bool = False) -> None:
    """What is wanted is the same, but made of newer facts: a new generation, due at once.

    With `disconnect` the node also ends every SSH connection: somebody who is in may no longer be.

    A worker that is at it goes on, stores its result, and then does it again. Were it overtaken, as by `want`, whoever
    changes such facts often enough would keep every worker from finishing, and run unproven and unbilled.
    """
    newer: dict[str, Any] = {"generation": allocation.c.generation + 1}
    if disconnect:
        newer["disconnect_generation"] = allocation.c.generation + 1
    where = await _change(session, allocation_id, **newer)
    await leases.make_due(session, WORK, allocation_id, place=where.node_id, tenant=where.organization_id)


async def look_again(session: Session, allocation_id: str, **values: Any) -> None:
    """Have the allocation brought to what is already wanted of it: at once, or when its wait after a failure is over.

    A worker that is busy with it goes on.
    """
    where = await _change(session, allocation_id, **values)
    await leases.look_again(session, WORK, allocation_id, place=where.node_id, tenant=where.organization_id)


async def rest(session: Session, allocation_id: str, **values: Any) -> None:
    """Let nobody work on the allocation until it is made due; a running worker is overtaken."""
    await _change(session, allocation_id, **values)
    await leases.rest(session, WORK, allocation_id)


async def fence(session: Session, allocation_id: str) -> None:
    """Let nobody work on what is lost, and let whatever was on its way to its node be too old when that is back."""
    newer = {"generation": allocation.c.generation + 1}
    await rest(session, allocation_id, unproven=True, **newer)


async def _change(session: Session, allocation_id: str, **values: Any) -> Row[Any]:
    """Change the row, which locks it before its row of work; returns its `node_id` and `organization_id`."""
    changed = (
        update(allocation).where(allocation.c.id == allocation_id).values({"wanted": allocation.c.wanted, **values})
    )
    return (await session.execute(changed.returning(allocation.c.node_id, allocation.c.organization_id))).one()


async def note(session: Session, allocation_id: str, **values: Any) -> Allocation:
    """Store facts about the allocation that change neither its state nor what is wanted; returns it as it is then.

    A copy that was read before is out of date: whoever goes on with the allocation goes on with what this returns.
    """
    noted = update(allocation).where(allocation.c.id == allocation_id).values(**values).returning(*_COLUMNS)
    return _read((await session.execute(noted)).one())


async def lock_kept_on(session: Session, node_id: str, seen_at: datetime) -> list[Allocation]:
    """The allocations that should be on a node and that nobody works on just now, locked, in one order.

    One that was changed there after `seen_at`, or is being changed, is left out: what was seen then says nothing about
    it. One that waits for a change which could not be made yet is not. Of one that was changed at a time that is still
    to come, by a clock that was set back since, nobody knows the order: it counts as changed before.
    """
    changed_at = func.coalesce(allocation.c.applied_at, allocation.c.created_at)
    a_minute_ahead = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 1)
    rows = await session.execute(
        select(*_COLUMNS)
        .where(
            allocation.c.node_id == node_id,
            allocation.c.on_node,
            allocation.c.state.in_([state.value for state in KEPT]),
            (changed_at < seen_at) | (changed_at > a_minute_ahead),
        )
        .order_by(allocation.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    found = [_read(row) for row in rows]
    worked_on = await leases.leased_among(session, WORK, [one.id for one in found]) if found else set()
    return [one for one in found if one.id not in worked_on]
