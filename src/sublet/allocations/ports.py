"""Ports of a node that lead to an allocation, as its customer publishes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, insert, select, text

from sublet.allocations import actions, port_states, rows
from sublet.allocations.actions import PortPlace, Situation
from sublet.allocations.audit import PortRecord
from sublet.allocations.models import published_port
from sublet.allocations.port_states import Protocol
from sublet.allocations.rows import Allocation
from sublet.allocations.states import PortState, remark
from sublet.audit.record import record
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.fleet.led_ports import AppliedPort, DesiredPort

_HELD = published_port.c.state != PortState.GONE.value
_ASKED = published_port.c.state.not_in([PortState.GONE.value, PortState.CLOSING.value])

_PLACE = text("SELECT first_port, last_port, leads_ports FROM node_ports WHERE node_id = :node_id")
_LATELY = text(
    "SELECT count(*) FROM published_port "
    "WHERE allocation_id = :id AND published_at > clock_timestamp() - interval '1 day'"
)
# The port that has been free longest, so that whoever knows one from its last customer finds nobody for a while; but
# the very number that is wanted, as mosh needs it, if nobody has had it for a day.
_CHOOSE = text(
    """
    WITH before AS (
      SELECT node_port, max(seq) AS used, bool_or(state <> 'gone') AS held, max(gone_at) AS left_at
        FROM published_port WHERE node_id = :node_id AND protocol = :protocol GROUP BY node_port
    )
    SELECT given.node_port FROM generate_series(CAST(:first AS integer), :last) AS given (node_port)
      LEFT JOIN before USING (node_port)
     WHERE held IS NOT TRUE
     ORDER BY node_port = :port AND coalesce(left_at, '-infinity') < clock_timestamp() - interval '1 day' DESC,
              used NULLS FIRST, node_port LIMIT 1
    """
)


class PortPublished(Conflict):
    """The allocation's port is published already."""

    code = "port_published"
    title = "The port is published already"


class NodePortsTaken(Conflict):
    """Every port that the operator gives on the node is somebody's."""

    code = "node_ports_taken"
    title = "The node has no free port"


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of an allocation, and the port of its node that leads there."""

    id: str
    seq: int
    allocation_id: str
    protocol: Protocol
    port: int
    node_port: int
    state: PortState
    refusal: str | None

    @property
    def named(self) -> str:
        """As people write it."""
        return f"{self.port}/{self.protocol}"


_COLUMNS = [published_port.c[name] for name in PublishedPort.__dataclass_fields__]


def _read(row: Row[Any]) -> PublishedPort:
    return PublishedPort(**{**row._mapping, "state": PortState(row.state)})


async def of(session: Session, allocation_id: str) -> list[PublishedPort]:
    """Every port that is held for an allocation, as it was published first."""
    return await _all(session, select(*_COLUMNS).where(published_port.c.allocation_id == allocation_id, _HELD))


async def wanted(session: Session, allocation_id: str) -> tuple[DesiredPort, ...]:
    """The ports that the node is to lead to an allocation."""
    asked = await _all(session, select(*_COLUMNS).where(published_port.c.allocation_id == allocation_id, _ASKED))
    return tuple(DesiredPort(one.protocol, one.port, one.node_port) for one in asked)


async def page(session: Session, allocation_id: str, *, after: int | None, limit: int) -> Sequence[PublishedPort]:
    """Up to `limit` of the ports held for an allocation behind a sequence number, as they were published."""
    held = select(*_COLUMNS).where(published_port.c.allocation_id == allocation_id, _HELD)
    return await _all(session, held.where(published_port.c.seq > (after or 0)).limit(limit))


async def _all(session: Session, statement: Select[Any]) -> list[PublishedPort]:
    return [_read(row) for row in await session.execute(statement.order_by(published_port.c.seq))]


async def place_of(session: Session, node_id: str) -> PortPlace:
    """What of a node decides whether a port of it can be had."""
    row = (await session.execute(_PLACE, {"node_id": node_id})).one()
    return PortPlace(leads_ports=row.leads_ports, first=row.first_port, last=row.last_port)


async def published_lately(session: Session, allocation_id: str) -> int:
    """How many ports were published for an allocation in the last day, whatever has become of them."""
    count: int = (await session.execute(_LATELY, {"id": allocation_id})).scalar_one()
    return count


async def publish(session: Session, actor: Actor, id_or_name: str, *, port: int, protocol: Protocol) -> PublishedPort:
    """Give an allocation of the actor's organization a port of its node; a worker has the node lead it there.

    StateForbids while nobody can log in, PortsNotGiven where the node or its operator gives none, TooManyPorts,
    PortPublished, NodePortsTaken: nothing is published then.
    """
    allocation = await rows.lock_of(session, actor, id_or_name)
    held, place = await of(session, allocation.id), await place_of(session, allocation.node_id)
    lately = await published_lately(session, allocation.id)
    if refusal := actions.why_not_publish(Situation.of(allocation), place, held=len(held), lately=lately):
        raise refusal.problem
    if any((one.port, one.protocol) == (port, protocol) for one in held):
        raise PortPublished(f"{port}/{protocol} is published, or is being withdrawn. Nothing was changed.")
    await alone(session, Space.NODE_PORTS, allocation.node_id)
    chosen = {"node_id": allocation.node_id, "protocol": protocol, "port": port}
    chosen |= {"first": place.first, "last": place.last}
    node_port = (await session.execute(_CHOOSE, chosen)).scalar_one_or_none()
    if node_port is None:
        raise NodePortsTaken(
            f"All {protocol} ports that the operator gives on the node are taken. Nothing was changed. Withdraw one "
            "that you do not need, or ask the operator for more."
        )
    values = {
        "id": new_id("prt"),
        "allocation_id": allocation.id,
        "node_id": allocation.node_id,
        "protocol": protocol,
        "port": port,
        "node_port": node_port,
        "slot": await _free_slot(session, allocation.id),
    }
    made = _read((await session.execute(insert(published_port).values(values).returning(*_COLUMNS))).one())
    await port_states.tell(session, made.id, allocation.organization_id, previous=None)
    told = f"is published by port {node_port} of the node"
    await _note(session, actor, allocation, made, action="allocation.port_published", told=told)
    await rows.freshen(session, allocation.id)
    return made


async def _free_slot(session: Session, allocation_id: str) -> int:
    taken = select(published_port.c.slot).where(published_port.c.allocation_id == allocation_id, _HELD)
    used = set((await session.execute(taken)).scalars())
    return next(slot for slot in range(1, actions.MOST_PORTS + 1) if slot not in used)


async def withdraw(session: Session, actor: Actor, id_or_name: str, port_id: str) -> PublishedPort:
    """Take a published port back; it is held until the node leads it nowhere. StateForbids, NotFound."""
    allocation = await rows.lock_of(session, actor, id_or_name)
    found = [one for one in await of(session, allocation.id) if one.id == port_id]
    if not found:
        raise NotFound("published port", port_id)
    if refusal := actions.why_not_withdraw(Situation.of(allocation), found[0].state):
        raise refusal.problem
    await port_states.move(session, port_id, PortState.CLOSING, organization_id=allocation.organization_id)
    await _note(session, actor, allocation, found[0], action="allocation.port_withdrawn", told="is withdrawn")
    await rows.freshen(session, allocation.id)
    return next(one for one in await of(session, allocation.id) if one.id == port_id)


async def _note(
    session: Session, actor: Actor, allocation: Allocation, port: PublishedPort, *, action: str, told: str
) -> None:
    await record(
        session,
        actor,
        action,
        "allocation",
        allocation.id,
        after=PortRecord(protocol=port.protocol, port=port.port, node_port=port.node_port),
        organization_id=allocation.organization_id,
    )
    await remark(session, actor, allocation.id, allocation.state, reason=f"port {port.named} {told}")


async def take_in(
    session: Session, allocation: Allocation, asked: tuple[DesiredPort, ...], applied: tuple[AppliedPort, ...]
) -> None:
    """Store what came of an `apply`: which of the ports that it asked for lead there, and that no other does.

    What was published since it began stays as it is, and is applied next. What is withdrawn stays held while the node's
    firewall cannot be changed, and is asked for again with the next look: it may still lead there.
    """
    was_changed = all(one.was_changed for one in applied)
    answers = {(one.protocol, one.node_port): one for one in applied}
    for port in await of(session, allocation.id):
        desired = DesiredPort(port.protocol, port.port, port.node_port)
        if desired not in asked:
            if port.state is PortState.CLOSING and was_changed:
                await port_states.move(session, port.id, PortState.GONE, organization_id=allocation.organization_id)
        elif port.state is not PortState.CLOSING:
            to, refusal = _outcome(answers.get((port.protocol, port.node_port)))
            if (to, refusal) != (port.state, port.refusal):
                await port_states.move(
                    session, port.id, to, organization_id=allocation.organization_id, refusal=refusal
                )


def _outcome(answer: AppliedPort | None) -> tuple[PortState, str | None]:
    """What an answer makes of a port; a helper that is too old answers nothing about it."""
    if answer is None:
        return PortState.REFUSED, "helper"
    if answer.is_open:
        return PortState.OPEN, None
    return (PortState.CLOSED, None) if answer.why == "suspended" else (PortState.REFUSED, answer.why)


async def end(session: Session, allocation: Allocation) -> None:
    """It is proven that nothing leads to the allocation any more: its ports of the node are free again."""
    for port in await of(session, allocation.id):
        await port_states.move(session, port.id, PortState.GONE, organization_id=allocation.organization_id)
