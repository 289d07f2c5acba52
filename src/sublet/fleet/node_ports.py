"""The ports of a node that its operator gives to customers to publish by."""

from sqlalchemy import update

from sublet.audit.record import record
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import InvalidInput
from sublet.fleet import nodes
from sublet.fleet.audit import PortsRecord
from sublet.fleet.models import node
from sublet.fleet.states import why_not_join


async def change(session: Session, actor: Actor, node_id: str, asked: tuple[int, int] | None) -> nodes.Node:
    """Give these ports, both ends among them, or none. InvalidInput if sshd's is among them: nobody would get in;
    Conflict for a retired node."""
    before = await nodes.lock(session, node_id)
    if refusal := why_not_join(before.state):
        raise refusal.problem
    refuse_sshd(before.port, asked)
    first, last = asked or (None, None)
    await session.execute(update(node).where(node.c.id == node_id).values(first_port=first, last_port=last))
    was_first, was_last = before.ports or (None, None)
    await record(
        session,
        actor,
        "node.ports_changed",
        "node",
        node_id,
        before=PortsRecord(first=was_first, last=was_last),
        after=PortsRecord(first=first, last=last),
    )
    return await nodes.get(session, node_id)


def refuse_sshd(ssh_port: int, ports: tuple[int, int] | None) -> None:
    """InvalidInput if the node's sshd answers at one of the ports that are given to customers."""
    if ports is not None and ports[0] <= ssh_port <= ports[1]:
        raise InvalidInput(
            f"Port {ssh_port} is that of the node's sshd, and {ports[0]} to {ports[1]} are given to customers: nobody "
            "would get in any more. Nothing was changed. Give other ports.",
            field="ports",
        )
