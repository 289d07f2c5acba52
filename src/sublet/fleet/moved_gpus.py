"""A GPU that was put into another machine: it changes its node once it is missing on the old one, or that is no
machine any more, and once it is nobody's. Its quarantine goes with it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.fleet.errors import MachineAlreadyEnrolled
from sublet.fleet.models import gpu, node, node_history
from sublet.fleet.states import HAS_MACHINE, GpuState, move_gpu


@dataclass(frozen=True, slots=True)
class GpuClaim:
    """A claim that lasts; `blocked` when what had it is over and the GPU is not proven clean."""

    subject_id: str
    blocked: bool


ClaimsOnGpu = Callable[[Session, str], Awaitable[Sequence[GpuClaim]]]
"""The claims that last on a GPU, by its uuid."""


async def nothing_known(_session: Session, uuid: str) -> Sequence[GpuClaim]:
    """For whoever looks at a node that is verified: what it did not have then waits until it joins again."""
    raise MachineAlreadyEnrolled(
        f"The GPU {uuid} was in another node before. Nothing of this inventory was stored. Enrol this node again."
    )


async def refuse_kept(session: Session, node_id: str, uuids: Sequence[str], *, claims_on: ClaimsOnGpu) -> set[str]:
    """MachineAlreadyEnrolled if one of the GPUs is another node's and cannot move here; returns those that can.

    Nothing is moved. The GPUs are locked until the session's transaction ends.
    """
    return {row.uuid for row in await _movable(session, node_id, uuids, claims_on)}


async def move_here(session: Session, node_id: str, uuids: Sequence[str], *, claims_on: ClaimsOnGpu) -> None:
    """Make GPUs that were another node's this one's, missing or in quarantine, and tell so in the history of both.

    MachineAlreadyEnrolled for one that cannot be. It is for who has asked the node itself what it has.
    """
    movable = await _movable(session, node_id, uuids, claims_on)
    if not movable:
        return
    here = (await session.execute(select(node.c.name, node.c.state).where(node.c.id == node_id))).one()
    for row in movable:
        # History refers to the nodes, and those come before rooms, which follow a GPU's move.
        await _tell(session, row.node_id, row.node_state, f"the GPU {row.uuid} was found in the node {here.name}")
        await _tell(session, node_id, here.state, f"has the GPU {row.uuid}, which was in the node {row.name}")
        if GpuState(row.state) is GpuState.AVAILABLE:
            await move_gpu(session, row.uuid, GpuState.MISSING)  # so that it counts for the old node no more
        await session.execute(update(gpu).where(gpu.c.uuid == row.uuid).values(node_id=node_id))


async def _movable(
    session: Session, node_id: str, uuids: Sequence[str], claims_on: ClaimsOnGpu
) -> Sequence[Row[Any, Any, Any, Any, Any, Any]]:
    # Two machines may show one GPU. Whoever waited for the lock has to read whose it is after that.
    await session.execute(
        select(gpu.c.uuid).where(gpu.c.uuid.in_(uuids)).order_by(gpu.c.uuid).with_for_update(key_share=True)
    )
    elsewhere = (
        select(
            gpu.c.uuid,
            gpu.c.state,
            node.c.name,
            gpu.c.node_id,
            node.c.state.label("node_state"),
            HAS_MACHINE.label("has"),
        )
        .join(node, node.c.id == gpu.c.node_id)
        .where(gpu.c.uuid.in_(uuids), gpu.c.node_id != node_id)
        .order_by(gpu.c.uuid)
    )
    found = (await session.execute(elsewhere)).all()
    for row in found:
        claims = await claims_on(session, row.uuid)
        if reason := _why_it_stays(row.uuid, GpuState(row.state), row.name, claims, has_machine=row.has):
            raise MachineAlreadyEnrolled(f"{reason}, then enrol this node again. Nothing of this inventory was stored.")
    return found


async def _tell(session: Session, node_id: str, state: str, what: str) -> None:
    actor = system_actor("enrolment").shown_as
    await session.execute(
        insert(node_history).values(node_id=node_id, from_state=state, to_state=state, reason=what, actor=actor)
    )


def _why_it_stays(
    uuid: str, state: GpuState, name: str, claims: Sequence[GpuClaim], *, has_machine: bool
) -> str | None:
    """Why a GPU stays on the node of that name, and what to do first; None if it may move. What nobody has claimed may
    always leave a node that no machine is."""
    again = f"enrol {name} again without it (`sublet admin node join-token {name}`)"
    clear = f'`sublet admin node clear-gpu {name} {uuid} --reason "…"`'
    if claims:
        subject = claims[0].subject_id
        if claims[0].blocked:
            return (
                f"The GPU {uuid} is kept for {subject} of the node {name}, whose release has not proven it clean. "
                f"Wait for that, or say with {clear} that it is; {again}"
            )
        return f"The GPU {uuid} is claimed by {subject} on the node {name}. Release {subject}; {again}"
    if not has_machine:
        return None
    if state is GpuState.QUARANTINED:
        return f"The GPU {uuid} is in quarantine on the node {name}. Say with {clear} that it is clean; {again}"
    if state is not GpuState.MISSING:
        return (
            f"The GPU {uuid} belongs to the node {name}, which had it when it last joined. Take it out there; {again}"
        )
    return None
