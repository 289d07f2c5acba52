"""Keeping one GPU from customers: because a release has not proven it clean, or because something is wrong with it.

A GPU errs alone: the rest of its node goes on, and so does what has the GPU already. It is given out again on an
operator's word (`scheduling.claims.clear_gpu`); one that was only not proven clean also once that is proven.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from sublet.audit.record import record
from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.outbox import publish
from sublet.fleet.audit import GpuRecord
from sublet.fleet.events import GpuQuarantined
from sublet.fleet.models import gpu, node
from sublet.fleet.states import GpuState, move_gpu

NOT_CLEAN = "not_clean"
"""Of a GPU whose last release is not proven; it ends by itself once that is."""
BY_OPERATOR = "by_operator"
NODE_RETIRED = "node_retired"
"""Of the GPUs of a node that was given up: nobody could look at them."""
_NOT_PROVEN = "The release of what had it last has not proven it clean."


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Why a GPU is given to nobody, in one word and in a sentence, and since when."""

    code: str
    reason: str
    at: datetime


def why_not_quarantine(state: GpuState, quarantine: Quarantine | None) -> Refusal | None:
    """Anything but a GPU that is in quarantine for a fault already; one that was only not proven clean is not."""
    if state is not GpuState.QUARANTINED or (quarantine is not None and quarantine.code == NOT_CLEAN):
        return None
    return Refusal(Conflict, "The GPU is in quarantine already.")


async def quarantine_gpu(session: Session, actor: Actor, gpu_id: str, *, reason: str, code: str) -> bool:
    """Keep a GPU, by its UUID, from being given out until an operator vouches for it; what has it goes on. NotFound.

    `code` is one word for what is wrong, such as `xid_79`, and `reason` the sentence that operators read. False, and
    nothing is told again, if it is in quarantine for that already; another fault than the last replaces it.
    """
    statement = select(gpu.c.node_id, gpu.c.model, gpu.c.state, gpu.c.quarantine_code, gpu.c.quarantine_reason)
    node_id = (await session.execute(select(gpu.c.node_id).where(gpu.c.uuid == gpu_id))).scalar_one_or_none()
    if node_id is None:
        raise NotFound("GPU", gpu_id)
    await session.execute(select(node.c.id).where(node.c.id == node_id).with_for_update(key_share=True))
    before = (await session.execute(statement.where(gpu.c.uuid == gpu_id).with_for_update(key_share=True))).one()
    if before.state == GpuState.QUARANTINED.value and before.quarantine_code == code:
        return False
    await move_gpu(session, gpu_id, GpuState.QUARANTINED)
    await _note(session, gpu_id, code=code, reason=reason)
    await record(
        session,
        actor,
        "gpu.quarantined",
        "gpu",
        gpu_id,
        before=GpuRecord(node_id=before.node_id, state=before.state, reason=before.quarantine_reason),
        after=GpuRecord(node_id=before.node_id, state=GpuState.QUARANTINED.value, reason=reason),
    )
    event = GpuQuarantined(gpu=gpu_id, model=before.model, node_id=before.node_id, code=code, reason=reason)
    await publish(session, event, subject=before.node_id, organization_id=None)
    return True


async def keep_unclean(session: Session, uuids: Sequence[str]) -> int:
    """Keep GPUs from being given out until they are proven clean; returns how many were not in quarantine before."""
    kept = 0
    for uuid in uuids:
        if await move_gpu(session, uuid, GpuState.QUARANTINED):
            await _note(session, uuid, code=NOT_CLEAN, reason=_NOT_PROVEN)
            kept += 1
    return kept


async def give_out_clean(session: Session, uuids: Sequence[str]) -> int:
    """End the quarantine of those that were only not proven clean, and are now; a fault is not over by that."""
    return sum([await end_quarantine(session, uuid, even_a_fault=False) for uuid in uuids])


async def end_quarantine(session: Session, uuid: str, *, even_a_fault: bool = True) -> bool:
    """Let a GPU be given out again; False if it was not in quarantine, or for a fault that is not to be ended."""
    quarantined = gpu.c.uuid == uuid, gpu.c.state == GpuState.QUARANTINED.value
    only = () if even_a_fault else (func.coalesce(gpu.c.quarantine_code, NOT_CLEAN) == NOT_CLEAN,)
    found = select(gpu.c.uuid).where(*quarantined, *only).with_for_update(key_share=True)
    if (await session.execute(found)).first() is None:
        return False
    nothing = {"quarantine_code": None, "quarantine_reason": None, "quarantined_at": None}
    await session.execute(update(gpu).where(gpu.c.uuid == uuid).values(**nothing))
    return await move_gpu(session, uuid, GpuState.AVAILABLE)


async def _note(session: Session, uuid: str, *, code: str, reason: str) -> None:
    why = {"quarantine_code": code, "quarantine_reason": reason, "quarantined_at": func.clock_timestamp()}
    await session.execute(update(gpu).where(gpu.c.uuid == uuid).values(**why))
