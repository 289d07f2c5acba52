"""Whom the control plane's certificates are for: on each node another, so that one that is lost opens no second."""

from sqlalchemy import select

from sublet.core.db import Session
from sublet.fleet.models import node

OF_ALL = "sublet-control"
"""Of every node that joined before each had one of its own; such a node learns its own with the next push of trust."""


def own(node_id: str) -> str:
    """Whom certificates of the control plane are for on one node, and on no other."""
    return f"{OF_ALL}-{node_id}"


async def of(session: Session, node_id: str) -> tuple[str, ...]:
    """The node's own alone; and the one of all as well while the node has not said that it knows its own."""
    joined_before = select(node.c.id).where(node.c.id == node_id, node.c.own_principal.is_(False))
    of_all = (await session.execute(joined_before)).first() is not None
    return (own(node_id), OF_ALL) if of_all else (own(node_id),)
