"""A GPU that was put into another machine: it changes its node once it is missing on the old one and nobody's."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from sublet.core.db import Session
from sublet.fleet.errors import MachineAlreadyEnrolled
from sublet.fleet.models import gpu, node
from sublet.fleet.states import GpuState


@dataclass(frozen=True, slots=True)
class GpuClaim:
    """A claim that lasts; `blocked` when what had it is over and the GPU is not proven clean."""

    subject_id: str
    blocked: bool


ClaimsOnGpu = Callable[[Session, str], Awaitable[Sequence[GpuClaim]]]
"""The claims that last on a GPU, by its uuid."""


async def nothing_known(_session: Session, uuid: str) -> Sequence[GpuClaim]:
    """For whoever looks at a node that has joined: what it did not have then waits until it joins again."""
    raise MachineAlreadyEnrolled(
        f"The GPU {uuid} was in another node before. Nothing of this inventory was stored. Enrol this node again."
    )


async def move_here(session: Session, node_id: str, uuids: Sequence[str], *, claims_on: ClaimsOnGpu) -> None:
    """Make GPUs that were another node's this one's, still missing; MachineAlreadyEnrolled for one that cannot be."""
    elsewhere = (
        select(gpu.c.uuid, gpu.c.state, node.c.name)
        .join(node, node.c.id == gpu.c.node_id)
        .where(gpu.c.uuid.in_(uuids), gpu.c.node_id != node_id)
        .order_by(gpu.c.uuid)
        .with_for_update(key_share=True, of=gpu)
    )
    for row in (await session.execute(elsewhere)).all():
        if reason := _why_it_stays(row.uuid, GpuState(row.state), row.name, await claims_on(session, row.uuid)):
            raise MachineAlreadyEnrolled(f"{reason}, then enrol this node again. Nothing of this inventory was stored.")
        await session.execute(update(gpu).where(gpu.c.uuid == row.uuid).values(node_id=node_id))


def _why_it_stays(uuid: str, state: GpuState, name: str, claims: Sequence[GpuClaim]) -> str | None:
    """Why a GPU stays on the node of that name, and what to do first; None if it may move."""
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
    if state is GpuState.QUARANTINED:
        return f"The GPU {uuid} is in quarantine on the node {name}. Say with {clear} that it is clean; {again}"
    if state is not GpuState.MISSING:
        return (
            f"The GPU {uuid} belongs to the node {name}, which had it when it last joined. Take it out there; {again}"
        )
    return None
