"""Where a browser terminal to an allocation leads."""

from sqlalchemy import text

from sublet.allocations import incidents
from sublet.allocations.actions import Situation, why_not_enter
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.fleet.terminal_target import Notice, TerminalTarget

TOLD_SECONDS = 3600
"""What befell an allocation is told for so long to whoever opens a terminal in it."""

_TARGET = text(
    """
    SELECT a.id, n.node_id, n.name AS node_name, a.login, n.address AS host, n.port, a.state, a.wanted, a.suspended_for
      FROM allocation a JOIN node_capacity n USING (node_id)
     WHERE a.organization_id = :organization_id AND a.id = :allocation_id
    """
)


async def terminal_target(session: Session, actor: Actor, allocation_id: str) -> TerminalTarget:
    """The account behind an allocation of the actor's organization, and whether somebody can log in to it; NotFound."""
    row = (
        await session.execute(_TARGET, {"organization_id": actor.organization, "allocation_id": allocation_id})
    ).one_or_none()
    if row is None:
        raise NotFound("allocation", allocation_id)
    found = await incidents.latest(session, allocation_id, within_seconds=TOLD_SECONDS)
    notices = tuple(Notice(one.id, one.kind, one.detail) for one in reversed(found))
    closed = why_not_enter(Situation.of(row))
    return TerminalTarget(row.node_id, row.node_name, row.login, row.host, row.port, closed, notices)
