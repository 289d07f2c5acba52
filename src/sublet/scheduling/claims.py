"""Taking capacity and giving it back. The database refuses what does not fit, whatever is decided here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, TextClause, bindparam, insert, text

from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.ids import new_id
from sublet.fleet import gpu_quarantine, nodes
from sublet.fleet.moved_gpus import GpuClaim
from sublet.fleet.states import why_not_clear, why_not_join
from sublet.scheduling.models import claim as claim_table
from sublet.scheduling.placement import Shape, candidates, fits, fits_again, shape_parameters
from sublet.scheduling.windows import FROM_NOW_ON, Window, refuse_past

CANDIDATES = 8
ROUNDS = 3
RECOUNTED_AT_ONCE = 200


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
    """What is given out of one node, at most, from now on."""

    vcpu: int
    memory_mib: int
    disk_gib: int
    gpus: int


@dataclass(frozen=True, slots=True)
class KeptClaim:
    """A claim of what is over; `blocked_reason` and `blocked_at` say why it is not proven clean, and since when."""

    subject_id: str
    vcpu: int
    memory_mib: int
    disk_gib: int
    gpus: int
    blocked_reason: str | None
    blocked_at: datetime | None


_LOCK = "SELECT 1 FROM node_room WHERE node_id = :node_id FOR NO KEY UPDATE"
_WAIT_FOR = text(_LOCK)
_TRY = text(f"{_LOCK} SKIP LOCKED")
_RECOUNT_DUE = text(
    """
    WITH due AS (SELECT node_id FROM node_room WHERE counted_until <= clock_timestamp()
                  ORDER BY counted_until LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
    SELECT count(*) FROM (SELECT node_recount(node_id) FROM due) counted
    """
)
# What begins now begins under the node's lock: what was freed before is over by then.
_FROM_HERE = "tstzrange(greatest(:start, clock_timestamp()), :end)"
_ENDS = (bindparam("start", type_=DateTime(timezone=True)), bindparam("end", type_=DateTime(timezone=True)))
_DURING = text(_FROM_HERE).bindparams(*_ENDS)
_JUST_SO = text("tstzrange(:start, :end)").bindparams(*_ENDS)
_PICK_GPUS = text(
    f"""
    SELECT uuid FROM gpus_free_in(:node_id, {_FROM_HERE})
     WHERE :gpu_model IN ('', model) ORDER BY model, uuid LIMIT :gpu_count
    """  # noqa: S608 - a constant condition
).bindparams(*_ENDS)
_CLAIM_GPUS = text(
    """
    INSERT INTO gpu_claim (claim_id, gpu_uuid, during)
    SELECT c.id, gpu, c.during FROM claim c, unnest(CAST(:gpus AS text[])) AS gpu WHERE c.id = :id
    """
)
_LASTS = "subject_id = :subject_id AND until > clock_timestamp()"
_LOCK_ROOMS_OF = text(
    f"""
    SELECT 1 FROM node_room
     WHERE node_id IN (SELECT node_id FROM claim WHERE {_LASTS}) ORDER BY node_id FOR NO KEY UPDATE
    """  # noqa: S608 - a constant condition
)
# Ranges are half-open: what is free from this instant on can be claimed from this instant on.
_FREE = text(
    f"""
    UPDATE claim
       SET during = CASE WHEN lower(during) > clock_timestamp() THEN 'empty'
                         ELSE tstzrange(lower(during),
                                        greatest(clock_timestamp(), lower(during) + interval '1 microsecond')) END
     WHERE {_LASTS}
    """  # noqa: S608 - a constant condition
)
# What a subject has on its node ends at this instant, and what it has there instead begins at the same.
_END_HERE = text(
    f"""
    WITH had AS (
      SELECT id, nullif(until, 'infinity') AS until FROM claim
       WHERE {_LASTS} AND lower(during) <= clock_timestamp() AND (vcpu = 0) = :disk_alone AND blocked_at IS NULL
    )
    UPDATE claim c
       SET during = tstzrange(lower(c.during),
                              greatest(clock_timestamp(), lower(c.during) + interval '1 microsecond'))
      FROM had WHERE c.id = had.id
    RETURNING c.node_id, c.sku_id, c.disk_gib, upper(c.during) AS at, had.until
    """  # noqa: S608 - a constant condition
)
_HAS = text(
    f"""
    SELECT node_id, upper(during) AS until FROM claim WHERE {_LASTS} AND lower(during) <= clock_timestamp()
    """  # noqa: S608 - a constant condition
)
_LEAVE = text(f"UPDATE claim SET subject_id = :left_to WHERE {_LASTS}")  # noqa: S608 - a constant condition
_BLOCKED = text(f"SELECT 1 FROM claim WHERE {_LASTS} AND blocked_at IS NOT NULL")  # noqa: S608 - a constant condition
_BLOCK = text(
    f"""
    UPDATE claim SET blocked_at = coalesce(blocked_at, clock_timestamp()), blocked_reason = :reason
     WHERE {_LASTS}
    RETURNING id
    """  # noqa: S608 - a constant condition
)
_GPUS_OF = text(
    f"""
    SELECT gpu_uuid FROM gpu_claim
     WHERE claim_id IN (SELECT id FROM claim WHERE {_LASTS}) AND until > clock_timestamp()
     ORDER BY gpu_uuid
    """  # noqa: S608 - a constant condition
)
_ON_GPU = text(
    """
    SELECT c.subject_id, c.blocked_at IS NOT NULL AS blocked
      FROM gpu_claim g JOIN claim c ON c.id = g.claim_id
     WHERE g.gpu_uuid = :uuid AND g.until > clock_timestamp()
     ORDER BY lower(g.during)
    """
)
_TAKE_OUT = text(
    """
    UPDATE gpu_claim g
       SET during = tstzrange(lower(g.during), greatest(clock_timestamp(), lower(g.during) + interval '1 microsecond'))
      FROM claim c
     WHERE c.id = g.claim_id AND g.gpu_uuid = :uuid AND g.until > clock_timestamp() AND c.blocked_at IS NOT NULL
    """
)
_NOT_GIVEN_OUT = text(
    """
    SELECT subject_id, vcpu, memory_mib, disk_gib, gpu_count, blocked_reason, blocked_at
      FROM claim
     WHERE node_id = :node_id AND until > clock_timestamp()
       AND (blocked_at IS NOT NULL OR subject_id = ANY(:subjects))
     ORDER BY lower(during), id
    """
)
_LASTING_ON = text(
    """
    SELECT node_id, subject_id, gpu_count FROM claim
     WHERE node_id = ANY(:node_ids) AND until > clock_timestamp() ORDER BY lower(during), id
    """
)
_CLAIMED = text(
    """
    SELECT r.node_id, r.taken_vcpu, r.taken_memory_mib, r.taken_disk_gib,
           (SELECT count(*) FROM gpu_claim g JOIN claim c ON c.id = g.claim_id
             WHERE c.node_id = r.node_id AND c.until > clock_timestamp() AND g.until > clock_timestamp()) AS gpus
      FROM node_room r WHERE r.node_id = ANY(:node_ids)
    """
)


async def claim(session: Session, sku: Shape, subject_id: str, *, during: Window) -> Claim:
    """Take capacity for a SKU on the node where it fits best; NoCapacity when it fits nowhere in the window.

    InvalidInput for a window that is over, or in which the subject has a claim already.

    Nodes that others decide about at this moment are passed over first and waited for last. Money comes first: whoever
    also holds funds in this transaction does that before claiming, so that all lock in the same order.
    """
    await refuse_past(session, during)
    made = await _claim_anywhere(session, sku, subject_id, during=during)
    if made is None:
        raise NoCapacity(
            "No node has enough free capacity for this offer at the moment. Nothing was launched and no funds are "
            "held. Choose another offer, or try again when something has been released."
        )
    return made


async def move_claim(
    session: Session, sku: Shape, subject_id: str, *, left_to: str, avoid: Collection[str]
) -> Claim | None:
    """Claim on another node what the subject has claimed, for the rest of its time; None if it fits on no other.

    The old claim stays: it is `left_to` another subject, which frees it once the node is proven clean.
    """
    had = (await session.execute(_HAS, {"subject_id": subject_id})).one_or_none()
    if had is None:
        return None
    await session.execute(_LEAVE, {"subject_id": subject_id, "left_to": left_to})
    rest = Window(None, had.until)
    made = await _claim_anywhere(session, sku, subject_id, during=rest, avoid={*avoid, had.node_id})
    if made is None:
        await session.execute(_LEAVE, {"subject_id": left_to, "left_to": subject_id})
    return made


async def _claim_anywhere(
    session: Session, sku: Shape, subject_id: str, *, during: Window, avoid: Collection[str] = ()
) -> Claim | None:
    for _ in range(ROUNDS):
        fitting = await candidates(session, sku, during=during, limit=CANDIDATES, avoid=avoid)
        for waiting in (False, True):
            for node_id in fitting:
                made = await _claim_on(session, sku, subject_id, node_id, during=during, waiting=waiting)
                if made is not None:
                    return made
        if not fitting:
            break
    return None


async def _claim_on(
    session: Session, sku: Shape, subject_id: str, node_id: str, *, during: Window, waiting: bool
) -> Claim | None:
    if (await session.execute(_WAIT_FOR if waiting else _TRY, {"node_id": node_id})).first() is None:
        return None
    if not await fits(session, sku, node_id, during=during):
        return None
    gpus = await _pick_gpus(session, sku, node_id, during=during)
    if gpus is None:
        return None
    window = _DURING.bindparams(start=during.start, end=during.end)
    return await _insert(session, sku, subject_id, node_id, gpus, during=window)


async def _pick_gpus(session: Session, sku: Shape, node_id: str, *, during: Window) -> tuple[str, ...] | None:
    if not sku.gpu_count:
        return ()
    asked = shape_parameters(sku) | {"node_id": node_id, "start": during.start, "end": during.end}
    gpus = tuple(row.uuid for row in await session.execute(_PICK_GPUS, asked))
    return gpus if len(gpus) == sku.gpu_count else None


async def _insert(
    session: Session, sku: Shape, subject_id: str, node_id: str, gpus: tuple[str, ...], *, during: TextClause
) -> Claim:
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
            whole_node=sku.whole_node,
            during=during,
        )
    )
    if gpus:
        await session.execute(_CLAIM_GPUS, {"id": claim_id, "gpus": list(gpus)})
    return Claim(claim_id, node_id, gpus)


async def keep_disk(session: Session, subject_id: str) -> bool:
    """Give back all that the subject has claimed but the disk, which it keeps as long; False if it has no more.

    Whoever calls it knows that nothing of the subject uses the rest any more.
    """
    await session.execute(_LOCK_ROOMS_OF, {"subject_id": subject_id})
    had = (await session.execute(_END_HERE, {"subject_id": subject_id, "disk_alone": False})).one_or_none()
    if had is None:
        return False
    await session.execute(
        insert(claim_table).values(
            id=new_id("clm"),
            subject_id=subject_id,
            node_id=had.node_id,
            sku_id=had.sku_id,
            vcpu=0,
            memory_mib=0,
            disk_gib=had.disk_gib,
            gpu_count=0,
            whole_node=False,
            during=_JUST_SO.bindparams(start=had.at, end=had.until),
        )
    )
    return True


async def claim_again(session: Session, sku: Shape, subject_id: str, node_id: str) -> Claim | None:
    """Claim for a subject that has its disk alone all of its shape again, on the same node and as long; None where
    that has no room.

    It may be given other GPUs than before. Money comes first, as for `claim`.
    """
    await session.execute(_WAIT_FOR, {"node_id": node_id})
    if not await fits_again(session, sku, node_id):
        return None
    gpus = await _pick_gpus(session, sku, node_id, during=FROM_NOW_ON)
    if gpus is None:
        return None
    had = (await session.execute(_END_HERE, {"subject_id": subject_id, "disk_alone": True})).one_or_none()
    if had is None:
        return None
    from_here = _JUST_SO.bindparams(start=had.at, end=had.until)
    return await _insert(session, sku, subject_id, node_id, gpus, during=from_here)


async def free(session: Session, subject_id: str) -> bool:
    """Give back what the subject has claimed, now and later; False if nothing, so that repeating it is harmless.

    GPUs that were blocked with the claim can be given out again, unless something else is wrong with them.
    """
    if (await session.execute(_BLOCKED, {"subject_id": subject_id})).first() is not None:
        await gpu_quarantine.give_out_clean(session, await _gpus_of(session, subject_id))
    await session.execute(_LOCK_ROOMS_OF, {"subject_id": subject_id})
    return (await session.execute(_FREE, {"subject_id": subject_id})).rowcount > 0


async def block(session: Session, subject_id: str, reason: str) -> bool:
    """Keep a claim whose part of the node is not proven clean, and quarantine its GPUs; False if there is none.

    The rest of the node goes on. `free` ends it once all is proven.
    """
    blocked = (await session.execute(_BLOCK, {"subject_id": subject_id, "reason": reason})).first() is not None
    if blocked:
        await gpu_quarantine.keep_unclean(session, await _gpus_of(session, subject_id))
    return blocked


async def clear_gpu(session: Session, node_id: str, uuid: str) -> None:
    """End a GPU's quarantine on somebody's word that it is clean: it can be given out again. NotFound, Conflict.

    It leaves the claim that is blocked; the rest of that stays blocked until the release is proven.
    """
    node = await nodes.lock(session, node_id)
    gpu = next((one for one in node.gpus if one.uuid == uuid), None)
    if gpu is None:
        raise NotFound("GPU", uuid)
    if refusal := why_not_join(node.state) or why_not_clear(gpu.state):
        raise refusal.problem
    await gpu_quarantine.end_quarantine(session, uuid)
    await session.execute(_WAIT_FOR, {"node_id": node_id})
    await session.execute(_TAKE_OUT, {"uuid": uuid})


async def claims_on_gpu(session: Session, uuid: str) -> list[GpuClaim]:
    """The claims that last on a GPU, the earliest first; none for one that was taken out of its claim."""
    return [GpuClaim(row.subject_id, row.blocked) for row in await session.execute(_ON_GPU, {"uuid": uuid})]


async def recount_due(session: Session) -> int:
    """Count anew what is left where a claim has ended by the clock; returns on how many nodes.

    Waits for claims that end by the clock: no launch makes one yet.
    """
    counted: int = (await session.execute(_RECOUNT_DUE, {"limit": RECOUNTED_AT_ONCE})).scalar_one()
    return counted


async def not_given_out(session: Session, node_id: str, *, subjects: Collection[str]) -> list[KeptClaim]:
    """The claims that last on a node and are blocked, or are those of the `subjects`; the earliest first."""
    found = await session.execute(_NOT_GIVEN_OUT, {"node_id": node_id, "subjects": list(subjects)})
    return [KeptClaim(*row) for row in found]


async def lasting_on(session: Session, node_ids: Sequence[str]) -> list[tuple[str, str, int]]:
    """The claims that last on some nodes, the earliest first: the node, the subject, and how many GPUs."""
    found = await session.execute(_LASTING_ON, {"node_ids": list(node_ids)})
    return [(row.node_id, row.subject_id, row.gpu_count) for row in found]


async def claimed_on(session: Session, node_ids: Sequence[str]) -> dict[str, Claimed]:
    """What is given out of each node."""
    rows = await session.execute(_CLAIMED, {"node_ids": list(node_ids)})
    return {row.node_id: Claimed(row.taken_vcpu, row.taken_memory_mib, row.taken_disk_gib, row.gpus) for row in rows}


async def _gpus_of(session: Session, subject_id: str) -> list[str]:
    """The GPUs that the subject has claimed and that were not taken out of its claim."""
    return list((await session.execute(_GPUS_OF, {"subject_id": subject_id})).scalars())
