"""Nodes as operators see them: each with what is given out of it, what lives on it, and what may be done with it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sublet.core.actions import ActionOut, Refusal, actions_of
from sublet.core.actors import Actor, Permission
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.fleet import checklist, departure, drains, gpu_quarantine, join_tokens, life, nodes, self_tests, states
from sublet.fleet.life import Situation
from sublet.fleet.nodes import KeptCapacity, Node
from sublet.fleet.residents import Residents
from sublet.fleet.schemas import (
    CapabilityOut,
    Claimed,
    DrainOut,
    GpuOut,
    HistoryOut,
    InventoryOut,
    KeptOut,
    NodeDetailOut,
    NodeOut,
    PortRange,
    ResidentOut,
    SelfTestOut,
    StepOut,
    StrangerOut,
)

ClaimedCapacity = Callable[[Session, Sequence[str]], Awaitable[dict[str, Any]]]
"""What scheduling has given out, by node id; each value has `vcpu`, `memory_mib`, `disk_gib` and `gpus`."""

KeptOnNode = Callable[[Session, str], Awaitable[Sequence[KeptCapacity]]]
"""What the layers above keep from others on a node, by its id, though it is over."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """How nodes are shown, with what the layers above know of them."""

    claimed: ClaimedCapacity
    kept: KeptOnNode
    residents: Residents

    async def lock(self, session: Session, node_id: str) -> Situation:
        """A node, locked, with all that decides what may be done with it; NotFound."""
        node = await nodes.lock(session, node_id)
        return (await self._situations(session, [node]))[node_id]

    async def of(self, session: Session, actor: Actor, found: Sequence[Node]) -> list[NodeOut]:
        """Nodes as a list shows them."""
        claimed = await self.claimed(session, [one.id for one in found])
        situations = await self._situations(session, found)
        return [_node_out(situations[one.id], actor, claimed.get(one.id)) for one in found]

    async def shown(self, session: Session, actor: Actor, node_id: str) -> NodeOut:
        """One node as a list shows it; NotFound."""
        [shown] = await self.of(session, actor, [await nodes.get(session, node_id)])
        return shown

    async def whole(self, session: Session, actor: Actor, node_id: str) -> NodeDetailOut:
        """One node with all about it; NotFound."""
        node = await nodes.get(session, node_id)
        now = (await self._situations(session, [node]))[node_id]
        claimed = await self.claimed(session, [node_id])
        steps = checklist.steps(
            node,
            token_expires_at=await join_tokens.outstanding(session, node_id),
            clock_skew_seconds=node.clock_skew_seconds,
            now=await database_now(session),
        )
        drain = None if now.drain is None else asdict(now.drain)
        return NodeDetailOut(
            **_node_out(now, actor, claimed.get(node_id)).model_dump(),
            residents=[ResidentOut.model_validate(asdict(one)) for one in now.residents],
            drain=None if drain is None else DrainOut.model_validate(drain),
            self_test=None if now.self_test is None else SelfTestOut.model_validate(asdict(now.self_test)),
            self_tested_at=node.self_tested_at,
            enrolment=[StepOut(name=step.name, state=step.state, detail=step.detail, fix=step.fix) for step in steps],
            history=[HistoryOut.model_validate(asdict(item)) for item in await nodes.history(session, node_id)],
            strangers=[StrangerOut(login=item.login, uid=item.uid, since=item.since) for item in node.strangers],
            kept=[KeptOut(**asdict(item)) for item in await self.kept(session, node_id)],
        )

    async def _situations(self, session: Session, found: Sequence[Node]) -> dict[str, Situation]:
        ids = [one.id for one in found]
        residents = await self.residents(session, ids)
        emptied = await drains.open_on(session, ids)
        tested = await self_tests.last_of(session, ids)
        return {
            one.id: Situation(
                one, [who for who in residents if who.node_id == one.id], emptied.get(one.id), tested.get(one.id)
            )
            for one in found
        }


def manageable(actor: Actor, why_not: Mapping[str, Refusal | None]) -> list[ActionOut]:
    """What somebody may do who manages nodes."""
    denied = "This needs the platform role fleet or admin."
    return actions_of(actor, Permission.ADMIN_NODE_MANAGE, denied, why_not)


def _node_out(now: Situation, actor: Actor, given: Any) -> NodeOut:
    node = now.node
    claimed = Claimed()
    if given is not None:
        claimed = Claimed(vcpu=given.vcpu, memory_mib=given.memory_mib, disk_gib=given.disk_gib, gpus=given.gpus)
    return NodeOut(
        id=node.id,
        name=node.name,
        address=node.address,
        port=node.port,
        state=node.state.value,
        labels=node.labels,
        limits_enforced=node.limits_enforced,
        capabilities=[
            CapabilityOut(name=item.name, enforced=item.enforced, detail=item.detail) for item in node.capabilities
        ],
        inventory=_inventory_out(node),
        claimed=claimed,
        ports=None if node.ports is None else PortRange(first=node.ports[0], last=node.ports[1]),
        last_seen_at=node.last_seen_at,
        host_certificate_expires_at=node.host_certificate_expires_at,
        helper_version=node.helper_version,
        created_at=node.created_at,
        actions=_actions(now, actor),
    )


def _inventory_out(node: Node) -> InventoryOut | None:
    if node.inventory is None:
        return None
    return InventoryOut(
        vcpu=node.inventory.vcpu,
        memory_mib=node.inventory.memory_mib,
        disk_gib=node.inventory.disk_gib,
        kernel=node.inventory.kernel,
        os=node.inventory.os,
        gpus=[GpuOut.of(item) for item in node.gpus],
    )


def _actions(now: Situation, actor: Actor) -> list[ActionOut]:
    gpus = now.node.gpus
    in_quarantine = any(states.why_not_clear(gpu.state) is None for gpu in gpus)
    outside = any(gpu_quarantine.why_not_quarantine(gpu.state, gpu.quarantine) is None for gpu in gpus)
    return manageable(
        actor,
        {
            "cordon": life.why_not_cordon(now),
            "uncordon": life.why_not_uncordon(now),
            "drain": life.why_not_drain(now),
            "stop_drain": life.why_not_stop_drain(now),
            "maintain": life.why_not_maintain(now),
            "quarantine": life.why_not_quarantine(now),
            "self_test": life.why_not_self_test(now),
            "put_back": life.why_not_put_back(now),
            "retire": life.why_not_retire(now),
            "force_release": life.why_not_force_release(now),
            "set_ports": states.why_not_join(now.node.state),
            "change": states.why_not_join(now.node.state),
            "remove": departure.why_not_remove(now.node, in_use=bool(now.residents)),
            "join_token": states.why_not_join(now.node.state),
            "clear_gpu": states.why_not_join(now.node.state)
            if in_quarantine
            else Refusal(Conflict, "No GPU of the node is in quarantine."),
            "quarantine_gpu": None if outside else Refusal(Conflict, "The node has no GPU that is not in quarantine."),
        },
    )
