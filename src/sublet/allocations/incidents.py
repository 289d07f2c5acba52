"""What befell the work in an allocation, told to its owner: an event, a line of its history, and a word at its page and
at its open terminals. Each is told once, whoever saw it, and how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, func, select, text

from sublet.allocations.events import (
    AllocationGpuErred,
    AllocationIncident,
    AllocationNodeRestarted,
    AllocationRanOutOfMemory,
)
from sublet.allocations.incident_kind import Incident
from sublet.allocations.models import history
from sublet.allocations.states import AllocationState, remark
from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent, publish
from sublet.fleet.backend import Observation
from sublet.fleet.events import GpuErred

log = telemetry.get_logger(__name__)

SHOWN = 5
"""How many are shown with an allocation; its history has all."""

# A count is of one boot and of one slice: in another boot, and where it is less than before, it has begun anew.
_COUNT = text(
    """
    WITH seen AS (SELECT * FROM unnest(:ids, :counts) AS seen (id, kills)),
         before AS (
           SELECT a.id, a.oom_kills, a.oom_boot_id FROM allocation a JOIN seen USING (id) ORDER BY a.id FOR UPDATE OF a
         )
    UPDATE allocation a SET oom_kills = seen.kills, oom_boot_id = :boot_id
      FROM before b JOIN seen USING (id)
     WHERE a.id = b.id AND (b.oom_kills, b.oom_boot_id) IS DISTINCT FROM (seen.kills, :boot_id)
    RETURNING a.id, a.name, a.organization_id, a.state, a.sku ->> 'memory_mib' AS memory_mib,
              CASE WHEN b.oom_kills IS NULL THEN 0
                   WHEN b.oom_boot_id IS DISTINCT FROM :boot_id OR seen.kills < b.oom_kills THEN seen.kills
                   ELSE seen.kills - b.oom_kills END AS more
    """
).bindparams(
    bindparam("ids", type_=ARRAY(Text)), bindparam("counts", type_=ARRAY(BigInteger)), bindparam("boot_id", type_=Text)
)

_RESTARTED = text(
    """
    UPDATE allocation SET told_boot_id = :boot_id
     WHERE id = :id AND started_at IS NOT NULL AND state IN ('active', 'lost')
       AND boot_id <> :boot_id AND told_boot_id IS DISTINCT FROM :boot_id
    RETURNING id, name, organization_id, state
    """
)

_WITH_GPU = text(
    """
    SELECT id, name, organization_id, state FROM allocation
     WHERE node_id = :node_id AND on_node AND :gpu = ANY(gpus) AND state IN ('active', 'suspended', 'lost')
       AND started_at < :at
       AND NOT EXISTS (
         SELECT FROM allocation_history h
          WHERE h.allocation_id = allocation.id AND h.incident = 'gpu_error' AND h.reason = :told AND h.at > :since
       )
     ORDER BY id
    """
)


@dataclass(frozen=True, slots=True)
class Told:
    """One incident as it was told; `id` is that of its line of history."""

    id: int
    kind: Incident
    detail: str
    at: datetime


async def latest(session: Session, allocation_id: str, *, within_seconds: int | None = None) -> Sequence[Told]:
    """The latest incidents of an allocation, newest first."""
    statement = (
        select(history.c.id, history.c.incident, history.c.reason, history.c.at)
        .where(history.c.allocation_id == allocation_id, history.c.incident.is_not(None))
        .order_by(history.c.id.desc())
        .limit(SHOWN)
    )
    if within_seconds is not None:
        since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, within_seconds)
        statement = statement.where(history.c.at > since)
    rows = (await session.execute(statement)).all()
    return [Told(row.id, Incident(row.incident), row.reason, row.at) for row in rows]


async def note_oom_kills(session: Session, allocation_ids: Sequence[str], observation: Observation) -> None:
    """Tell of processes that the kernel has ended for want of memory since this was last looked at.

    The allocations are locked by whoever calls. What a node does not count is not known, and changes nothing.
    """
    seen = [one for one in map(observation.allocation, allocation_ids) if one is not None and one.oom_kills is not None]
    if not seen:
        return
    counts = {"ids": [one.allocation_id for one in seen], "counts": [one.oom_kills for one in seen]}
    for row in (await session.execute(_COUNT, {**counts, "boot_id": observation.boot_id})).all():
        if row.more > 0:
            ended = "one of its processes" if row.more == 1 else f"{row.more} of its processes"
            detail = (
                f"Out of memory: the kernel ended {ended}, for its {row.memory_mib} MiB were used up. What else runs "
                "goes on. Use less at a time, or launch a larger shape."
            )
            event = AllocationRanOutOfMemory(allocation_id=row.id, name=row.name, detail=detail, processes=row.more)
            await _tell(session, row.organization_id, AllocationState(row.state), Incident.OUT_OF_MEMORY, event)


async def note_restart(session: Session, allocation_id: str, boot_id: str) -> None:
    """Tell that the node of an allocation was restarted, if it was since the allocation was last applied there.

    Nothing ran in one that is suspended, so nothing has ended.
    """
    row = (await session.execute(_RESTARTED, {"id": allocation_id, "boot_id": boot_id})).one_or_none()
    if row is not None:
        detail = (
            "Its node was restarted: every process that ran in it has ended, and its files are kept. The time in which "
            "nobody saw it is not charged. Start your work again."
        )
        event = AllocationNodeRestarted(allocation_id=row.id, name=row.name, detail=detail)
        await _tell(session, row.organization_id, AllocationState(row.state), Incident.NODE_RESTARTED, event)


async def on_gpu_erred(session: Session, event: StoredEvent) -> None:
    """Tell whoever has a GPU what is wrong with it; handler of `gpu.erred`, harmless when repeated.

    Whoever came later is not told.
    """
    erred = GpuErred.model_validate(event.data)
    about = {"node_id": erred.node_id, "gpu": erred.gpu, "at": erred.at, "told": erred.told, "since": event.time}
    for row in (await session.execute(_WITH_GPU, about)).all():
        told = AllocationGpuErred(
            allocation_id=row.id, name=row.name, detail=erred.told, gpu=erred.gpu, code=erred.code
        )
        await _tell(session, row.organization_id, AllocationState(row.state), Incident.GPU_ERROR, told)


async def _tell(
    session: Session, organization_id: str, state: AllocationState, kind: Incident, event: AllocationIncident
) -> None:
    log.warning("allocation.incident", allocation=event.allocation_id, kind=kind.value)
    await remark(session, system_actor("worker"), event.allocation_id, state, reason=event.detail, incident=kind)
    await publish(session, event, subject=event.allocation_id, organization_id=organization_id)
