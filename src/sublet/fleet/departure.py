"""How a node goes: its machine says that it leaves, or an operator removes what never came to anything."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, update

from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor, system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.work import leases
from sublet.fleet import certificates, drains, helper_rollouts, host_signatures, join_tokens, nodes, self_tests, trial
from sublet.fleet.audit import HostKeyRecord, PlaceRecord
from sublet.fleet.errors import LeaveRefused
from sublet.fleet.models import node, node_history
from sublet.fleet.nodes import Node
from sublet.fleet.states import AWAY, NodeState, move
from sublet.fleet.work import NODE, TRUST, UPGRADE

NAMESPACE = "sublet-leave"
"""What a machine signs for, so that nothing else that it signed counts here."""
BELIEVED = timedelta(minutes=5)
"""So far the moment of signing may be from now: clocks differ, and an old word must not be repeated."""

_GONE: dict[str, Any] = {
    "host_public_key": None,
    "host_certificate_expires_at": None,
    "own_principal": False,
    "enrolled_at": None,
    "verified_at": None,
    "fresh_until": func.to_timestamp(0),
    "doors": None,
    "entered_at": None,
    "entered_doors": None,
    "no_entry": None,
}


async def leave(session: Session, node_id: str, *, at: datetime, signed: str, signature: str, in_use: bool) -> None:
    """The machine is given back to its owner, as it says itself, signed with the key that it joined with.

    It waits for somebody to join again, and takes nothing meanwhile. What customers had on it (`in_use`) is looked for
    until it is lost.
    LeaveRefused for whoever cannot show that.
    """
    known = await nodes.lock(session, node_id)
    key, now = known.host_public_key, await database_now(session)
    believed = key is not None and abs(at - now) < BELIEVED and (known.enrolled_at is None or at > known.enrolled_at)
    if key is None or not believed:
        raise LeaveRefused("Nothing was changed. Look at the machine's clock, and whether it is a node at all.")
    if not host_signatures.is_by(key, f"{node_id} {signed}".encode(), signature, namespace=NAMESPACE):
        raise LeaveRefused("Nothing was changed. It was not signed with the host key that the node joined with.")
    actor = system_actor("enrolment")
    before, after = HostKeyRecord(host_public_key=key), HostKeyRecord(host_public_key=None)
    await record(session, actor, "node.left", "node", node_id, before=before, after=after)
    if known.state is NodeState.RETIRED:  # it stays on record; its machine may be added anew
        await session.execute(update(node).where(node.c.id == node_id).values(host_public_key=None))
        return
    reason = "its machine left: `sublet-node unenrol` was run on it"
    if known.state is not NodeState.ENROLLING:
        await move(session, actor, node_id, NodeState.ENROLLING, reason=reason)
    failure = {"code": nodes.LEFT, "detail": f"{known.name} was given back to its owner.", "at": now.isoformat()}
    await session.execute(update(node).where(node.c.id == node_id).values(**_GONE, failure=failure))
    await _let_go(session, node_id, reason="the node left")
    if in_use:
        await leases.make_due(session, NODE, node_id, place=node_id)
    else:
        await leases.rest(session, NODE, node_id)


def why_not_remove(node: Node, *, in_use: bool) -> Refusal | None:
    """Only what is no machine's can be removed, and only when nothing lives there."""
    if in_use:
        return Refusal(
            Conflict,
            "Something of a customer is on the node, or is not proven to be gone.",
            "Release it first; where that cannot be, retire the node.",
        )
    if node.state is NodeState.RETIRED:
        return Refusal(Conflict, "The node is retired: it stays on record.")
    if node.verified_at is not None or node.state not in AWAY:
        return Refusal(
            Conflict,
            "A machine is this node.",
            "Run `sublet-node unenrol` on it as root; it tells Sublet itself. Then remove the node.",
        )
    return None


async def remove(session: Session, actor: Actor, node_id: str, *, in_use: bool) -> None:
    """Take a node out of the fleet that never came to anything, or whose machine has left. Its history stays; its name
    and address are free again, and no token of it counts any more. Conflict: see `why_not_remove`."""
    known = await nodes.lock(session, node_id)
    if refusal := why_not_remove(known, in_use=in_use):
        raise refusal.problem
    await close(session, node_id, reason="the node was removed")
    await session.execute(
        update(node).where(node.c.id == node_id).values(**_GONE, failure=None, removed_at=func.clock_timestamp())
    )
    state = known.state.value
    history = {"node_id": node_id, "from_state": state, "to_state": state, "reason": "removed"}
    await session.execute(insert(node_history).values(**history, actor=actor.shown_as))
    place = PlaceRecord(name=known.name, address=known.address, port=known.port, labels=known.labels)
    await record(session, actor, "node.removed", "node", node_id, before=place)


async def close(session: Session, node_id: str, *, reason: str) -> None:
    """End all that goes on about a node that is none any more: nobody looks at it, pushes to it, tries it, empties it
    or upgrades it, no token of it counts, and no certificate."""
    await _let_go(session, node_id, reason=reason)
    await leases.rest(session, NODE, node_id)
    await drains.end(session, node_id)
    await self_tests.give_up(session, node_id, reason=reason)
    await join_tokens.end_all(session, node_id)


async def _let_go(session: Session, node_id: str, *, reason: str) -> None:
    """End what needs the machine that was this node."""
    await certificates.revoke_subject(session, node_id, reason=reason)
    await helper_rollouts.leave_out(session, node_id)
    for kind in (TRUST, UPGRADE):
        await leases.rest(session, kind, node_id)
    await trial.forget(session, node_id)
