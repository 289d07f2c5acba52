"""States of published ports: the table of changes, and the only function that makes one."""

from typing import Literal

from sqlalchemy import ARRAY, Text, bindparam, text

from sublet.allocations.events import PortChanged
from sublet.allocations.states import PortState
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.outbox import publish

Protocol = Literal["tcp", "udp"]


_S = PortState

TRANSITIONS: dict[PortState, frozenset[PortState]] = {
    _S.OPENING: frozenset({_S.OPEN, _S.CLOSED, _S.REFUSED, _S.CLOSING, _S.GONE}),
    _S.OPEN: frozenset({_S.CLOSED, _S.REFUSED, _S.CLOSING, _S.GONE}),
    _S.CLOSED: frozenset({_S.OPEN, _S.REFUSED, _S.CLOSING, _S.GONE}),
    _S.REFUSED: frozenset({_S.OPEN, _S.CLOSED, _S.CLOSING, _S.GONE}),
    _S.CLOSING: frozenset({_S.GONE}),
    _S.GONE: frozenset(),
}
"""Every change that a port's state may make; the table `published_port_transition` says the same to PostgreSQL."""

_MOVE = text(
    """
    WITH before AS (SELECT id, state FROM published_port WHERE id = :id FOR UPDATE)
    UPDATE published_port p
       SET state = :to, refusal = :refusal, gone_at = CASE WHEN :to = 'gone' THEN clock_timestamp() END
      FROM before b
     WHERE p.id = b.id AND (b.state = ANY(:sources) OR b.state = :to)
    RETURNING b.state AS previous
    """
).bindparams(bindparam("sources", type_=ARRAY(Text)), bindparam("to", type_=Text), bindparam("refusal", type_=Text))
_SHOWN = text("SELECT allocation_id, protocol, port, node_port, state FROM published_port WHERE id = :id")


async def move(
    session: Session, port_id: str, to: PortState, *, organization_id: str, refusal: str | None = None
) -> None:
    """Change the state, or why the node refuses it, and tell so. NotFound when no arrow leads there."""
    sources = [state.value for state, targets in TRANSITIONS.items() if to in targets]
    parameters = {"id": port_id, "to": to.value, "refusal": refusal, "sources": sources}
    previous = (await session.execute(_MOVE, parameters)).scalar_one_or_none()
    if previous is None:
        raise NotFound("published port", port_id)
    await tell(session, port_id, organization_id, previous=previous)


async def tell(session: Session, port_id: str, organization_id: str, *, previous: str | None) -> None:
    """Publish the event of a port's present state; `previous` is None for a new one."""
    row = (await session.execute(_SHOWN, {"id": port_id})).one()
    event = PortChanged(
        allocation_id=row.allocation_id,
        port_id=port_id,
        protocol=row.protocol,
        port=row.port,
        node_port=row.node_port,
        state=row.state,
        previous_state=previous,
    )
    await publish(session, event, subject=row.allocation_id, organization_id=organization_id)
