"""Published ports as they are shown: where each is reached, and what may be done with it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from sublet.allocations import actions
from sublet.allocations.actions import Situation
from sublet.allocations.ports import PublishedPort
from sublet.allocations.schemas import PortOut
from sublet.core.actions import actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.db import Session

_OF = text(
    """
    SELECT a.id, a.state, a.wanted, a.suspended_for, n.address
      FROM allocation a JOIN node_capacity n USING (node_id) WHERE a.id = :allocation_id
    """
)


async def of(session: Session, actor: Actor, allocation_id: str, ports: Sequence[PublishedPort]) -> list[PortOut]:
    """Ports of one allocation."""
    row = (await session.execute(_OF, {"allocation_id": allocation_id})).one()
    return shown(actor, row, ports)


def shown(actor: Actor, row: Row[Any], ports: Sequence[PublishedPort]) -> list[PortOut]:
    """The same, where what decides is known: `row` has what `Situation` takes, and the `address` of the node."""
    now, found = Situation.of(row), []
    for port in ports:
        why_not = {"withdraw": actions.why_not_withdraw(now, port.state)}
        allowed = actions_of(actor, Permission.ALLOCATION_MANAGE, actions.NOT_YOURS, why_not)
        found.append(PortOut.of(port, row.address, allowed))
    return found
