"""Taking capacity and giving it back. The database refuses what does not fit, whatever is decided here."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Text, bindparam, insert, text

from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.ids import new_id
from sublet.fleet import nodes
from sublet.fleet.states import GpuState
from sublet.scheduling.models import claim as claim_table
from sublet.scheduling.placement import Shape, candidates, shape_parameters

CANDIDATES = 8
ROUNDS = 3


class NoCapacity(Conflict):
    """No node has enough left for the shape at this moment."""

    code = "no_capacity"
    title = "Nothing of this kind is free now"


@dataclass(frozen=True, slots=True)
class Claim:
    """Capacity taken on a node: which node, and which of its GPUs."""

    id: str
    node_id: str
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is given out of one node."""

    vcpu: int
    memory_mib: int
    disk_gib: int
    gpus: int


_ENSURE_LOAD = text("INSERT INTO node_load (node_id) VALUES (:node_id) ON CONFLICT (node_id) DO NOTHING")
_LOCK_LOAD = "SELECT 1 FROM node_load WHERE node_id = :node_id FOR UPDATE"
_WAIT_FOR = text(_LOCK_LOAD)
_TRY = text(f"{_LOCK_LOAD} SKIP LOCKED")
_STILL_FITS = text(
    """
    SELECT f.state = 'ready' AND f.vcpu >= :vcpu AND f.memory_mib >= :memory_mib AND f.disk_gib >= :disk_gib
      FROM node_free f WHERE f.node_id = :node_id
    """
)
_PICK_GPUS = text(
    """
    SELECT uuid FROM gpu_free
     WHERE node_id = :node_id AND (:any_model OR model = :gpu_model)
     ORDER BY model, uuid LIMIT :gpu_count
    """
).bindparams(bindparam("gpu_model", type_=Text))
_CLAIM_GPUS = text(
    """
    INSERT INTO gpu_claim (claim_id, gpu_uuid, during)
    SELECT c.id, gpu, c.during FROM claim c, unnest(CAST(:gpus AS text[])) AS gpu WHERE c.id = :id
    """
)
_OPEN = "subject_id = :subject_id AND upper_inf(during)"
_LOCK_LOAD_OF = text(
    f"""
    SELECT 1 FROM node_load
     WHERE node_id = (SELECT node_id FROM claim WHERE {_OPEN}) FOR UPDATE
    """  # noqa: S608 - a constant condition
)
# Ranges are half-open: what is free from this instant on can be claimed from this instant on.
_FREE = text(
    f"""
    UPDATE claim
       SET during = tstzrange(lower(during), greatest(clock_timestamp(), lower(during) + interval '1 microsecond'))
     WHERE {_OPEN}
    RETURNING id, blocked_at
    """  # noqa: S608 - a constant condition
)
_BLOCK = text(
    f"""
    UPDATE claim SET blocked_at = coalesce(blocked_at, clock_timestamp()), blocked_reason = :reason
     WHERE {_OPEN}
    RETURNING id
    """  # noqa: S608 - a constant condition
)
_GPUS_OF = text(
    f"""
    SELECT gpu_uuid FROM gpu_claim
     WHERE claim_id = (SELECT id FROM claim WHERE {_OPEN}) AND upper_inf(during)
     ORDER BY gpu_uuid
    """  # noqa: S608 - a constant condition
)
_TAKE_OUT = text(
    """
    UPDATE gpu_claim g
       SET during = tstzrange(lower(g.during), greatest(clock_timestamp(), lower(g.during) + interval '1 microsecond'))
      FROM claim c
     WHERE c.id = g.claim_id AND g.gpu_uuid = :uuid AND upper_inf(g.during) AND c.blocked_at IS NOT NULL
    """
)
_CLAIMED = text(
    """
    SELECT l.node_id, l.vcpu, l.memory_mib, l.disk_gib,
           (SELECT count(*) FROM gpu_claim g JOIN claim c ON c.id = g.claim_id
             WHERE c.node_id = l.node_id AND upper_inf(c.during)) AS gpus
      FROM node_load l WHERE l.node_id = ANY(:node_ids)
    """
)


async def claim(session: Session, sku: Shape, subject_id: str) -> Claim:
    """Take capacity for a SKU on the node where it fits best; NoCapacity when it fits nowhere.

    Nodes that others decide about at this moment are passed over first and waited for last. Money comes first: whoever
    also holds funds in this transaction does that before claiming, so that all lock in the same order.
    """
    for _ in range(ROUNDS):
        fitting = await candidates(session, sku, limit=CANDIDATES)
        for waiting in (False, True):
            for node_id in fitting:
                made = await _claim_on(session, sku, subject_id, node_id, waiting=waiting)
                if made is not None:
                    return made
        if not fitting:
            break
    raise NoCapacity(
        "No node has enough free capacity for this offer at the moment. Nothing was launched and no funds are held. "
        "Choose another offer, or try again when something has been released."
    )


async def _claim_on(session: Session, sku: Shape, subject_id: str, node_id: str, *, waiting: bool) -> Claim | None:
    parameters = {**shape_parameters(sku), "node_id": node_id}
    await session.execute(_ENSURE_LOAD, parameters)
    if (await session.execute(_WAIT_FOR if waiting else _TRY, parameters)).first() is None:
        return None
    if not (await session.execute(_STILL_FITS, parameters)).scalar_one():
        return None
    gpus: tuple[str, ...] = ()
    if sku.gpu_count:
        gpus = tuple(row.uuid for row in await session.execute(_PICK_GPUS, parameters))
        if len(gpus) < sku.gpu_count:
            return None
    claim_id = new_id("clm")
    await session.execute(
        insert(claim_table).values(
            id=claim_id,
            subject_id=subject_id,
            node_id=node_id,
            sku_id=sku.id,
            vcpu=sku.vcpu,
            memory_mib=sku.memory_mib,
            disk_gib=sku.disk_gib,
            gpu_count=sku.gpu_count,
            during=text("tstzrange(clock_timestamp(), NULL)"),
        )
    )
    if gpus:
        await session.execute(_CLAIM_GPUS, {"id": claim_id, "gpus": list(gpus)})
    return Claim(claim_id, node_id, gpus)


async def free(session: Session, subject_id: str) -> bool:
    """Give back what the subject has claimed; False if it has nothing, so that repeating it is harmless.

    GPUs that were blocked with the claim can be given out again.
    """
    await session.execute(_LOCK_LOAD_OF, {"subject_id": subject_id})
    gpus = await _gpus_of(session, subject_id)
    row = (await session.execute(_FREE, {"subject_id": subject_id})).one_or_none()
    if row is not None and row.blocked_at is not None:
        await nodes.clear_gpus(session, gpus)
    return row is not None


async def block(session: Session, subject_id: str, reason: str) -> bool:
    """Keep a claim whose part of the node is not proven clean, and quarantine its GPUs; False if there is none.

    The rest of the node goes on. `free` ends it once all is proven.
    """
    row = (await session.execute(_BLOCK, {"subject_id": subject_id, "reason": reason})).one_or_none()
    if row is not None:
        await nodes.quarantine_gpus(session, await _gpus_of(session, subject_id))
    return row is not None


async def clear_gpu(session: Session, node_id: str, uuid: str) -> bool:
    """End a GPU's quarantine on somebody's word that it is clean: it can be given out again. NotFound, Conflict.

    It leaves the claim that is blocked; the rest of that stays blocked until the release is proven. False if the GPU is
    not quarantined, so that repeating it is harmless.
    """
    await session.execute(_WAIT_FOR, {"node_id": node_id})
    gpu = next((one for one in (await nodes.lock(session, node_id)).gpus if one.uuid == uuid), None)
    if gpu is None:
        raise NotFound("GPU", uuid)
    if gpu.state is GpuState.MISSING:
        raise Conflict(
            f"The GPU {uuid} is missing: its node did not list it when last asked. Nothing was changed. Put it back or "
            "see to its driver, then let the node join again."
        )
    if gpu.state is not GpuState.QUARANTINED:
        return False
    await session.execute(_TAKE_OUT, {"uuid": uuid})
    await nodes.clear_gpus(session, [uuid])
    return True


async def claimed_on(session: Session, node_ids: Sequence[str]) -> dict[str, Claimed]:
    """What is given out of each node now; nodes that nothing was ever claimed on are left out."""
    rows = await session.execute(_CLAIMED, {"node_ids": list(node_ids)})
    return {row.node_id: Claimed(row.vcpu, row.memory_mib, row.disk_gib, row.gpus) for row in rows}


async def _gpus_of(session: Session, subject_id: str) -> list[str]:
    """The GPUs that the subject has claimed and that were not taken out of its claim."""
    return list((await session.execute(_GPUS_OF, {"subject_id": subject_id})).scalars())
