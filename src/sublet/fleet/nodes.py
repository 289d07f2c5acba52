"""Reading nodes and GPUs, and keeping what was found on them."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Float, Row, Select, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.settings import Settings
from sublet.fleet import helper_versions
from sublet.fleet.backend import Capability, Probe
from sublet.fleet.gpu_health import GpuHealth
from sublet.fleet.gpu_quarantine import Quarantine
from sublet.fleet.models import gpu, gpu_health, node, node_history
from sublet.fleet.moved_gpus import ClaimsOnGpu, move_here, nothing_known, refuse_kept
from sublet.fleet.states import HAS_MACHINE, GpuState, NodeState, move_gpu

Closed = Literal["state", "not_seen", "old_helper", "no_entry", "no_inodes"]
"""Why nothing new is placed on a node: by its state, not seen for three intervals, its helper is too old, nobody gets
in, or hardly an inode is free."""

SLOW = "node_slow"
"""The code of what is noted of a node that answers, but slowly: it was seen."""
LEFT = "node_left"
"""The code of what is noted of a node whose machine was given back to its owner."""
FRESH_INTERVALS = 3
"""What was seen of a node is believed for so many intervals between looks."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU in the inventory."""

    uuid: str
    node_id: str
    model: str
    memory_mib: int
    state: GpuState
    quarantine: Quarantine | None = None
    health: GpuHealth | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a node has."""

    vcpu: int
    memory_mib: int
    disk_gib: int
    kernel: str
    os: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a node could not be reached or used when last tried."""

    code: str
    detail: str
    at: str


@dataclass(frozen=True, slots=True)
class NoEntry:
    """Why nobody who comes in as a customer gets in to a node; `doors` are those that it was tried through."""

    cause: str
    detail: str
    at: str
    doors: str | None


@dataclass(frozen=True, slots=True)
class Stranger:
    """An account on a node that nobody knows; the login is empty where only processes or files of the uid are left."""

    login: str
    uid: int
    since: datetime

    def __str__(self) -> str:
        what = f"the account {self.login}" if self.login else "processes or files without an account"
        return f"{what} (uid {self.uid}) is nobody's, since {self.since.isoformat(timespec='seconds')}"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the control plane knows it."""

    id: str
    kind: str
    name: str
    address: str
    port: int
    state: NodeState
    resumes_as: NodeState
    labels: dict[str, str]
    limits_enforced: bool | None
    capabilities: tuple[Capability, ...]
    inventory: Inventory | None
    gpus: tuple[Gpu, ...]
    host_public_key: str | None
    host_certificate_expires_at: datetime | None
    helper_version: str | None
    helper_sha256: str | None
    boot_id: str | None
    last_seen_at: datetime | None
    closed: Closed | None
    disk_free_gib: int | None
    inodes_free: int | None
    enrolled_at: datetime | None
    verified_at: datetime | None
    failure: Failure | None
    entered_at: datetime | None
    no_entry: NoEntry | None
    gpu_trouble: tuple[str, ...]
    self_tested_at: datetime | None
    strangers: tuple[Stranger, ...]
    clock_skew_seconds: float | None
    ports: tuple[int, int] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of a node's state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KeptCapacity:
    """A part of a node that stays taken though the allocation that had it is over there, with why and since when."""

    allocation_id: str
    vcpu: int
    memory_mib: int
    disk_gib: int
    gpus: int
    reason: str
    since: datetime


_KEPT_TO_ITSELF = {
    *("fresh_until", "misses", "doors", "entered_doors", "helper_too_old", "revocations_below"),
    *("own_principal", "removed_at"),
}
_COLUMNS = [
    *(column for column in node.c if column.name not in _KEPT_TO_ITSELF),
    func.node_closed(
        node.c.state,
        node.c.fresh_until,
        node.c.no_entry.is_not(None),
        node.c.helper_too_old,
        node.c.inodes_free,
        func.clock_timestamp(),
    ).label("closed"),
]


async def get(session: Session, node_id: str) -> Node:
    """One node; NotFound if there is none, or no more."""
    found = await _load(session, select(*_COLUMNS).where(node.c.id == node_id, node.c.removed_at.is_(None)))
    if not found:
        raise NotFound("node", node_id)
    return found[0]


async def lock(session: Session, node_id: str) -> Node:
    """One node, its row locked until the transaction ends. New rows may still refer to it: no launch waits for whoever
    changes a node, who may be waiting for the launch."""
    statement = select(*_COLUMNS).where(node.c.id == node_id, node.c.removed_at.is_(None))
    found = await _load(session, statement.with_for_update(key_share=True))
    if not found:
        raise NotFound("node", node_id)
    return found[0]


async def list_page(session: Session, *, limit: int, after_name: str | None, name: str | None = None) -> list[Node]:
    """Nodes by name, one more than `limit` if there are more; or the one of a name."""
    statement = select(*_COLUMNS).where(node.c.removed_at.is_(None)).order_by(node.c.name).limit(limit + 1)
    if name is not None:
        statement = statement.where(node.c.name == name)
    if after_name is not None:
        statement = statement.where(node.c.name > after_name)
    return await _load(session, statement)


async def history(session: Session, node_id: str, *, limit: int = 50) -> list[HistoryEntry]:
    """A node's latest changes of state, newest first."""
    rows = await session.execute(
        select(node_history).where(node_history.c.node_id == node_id).order_by(node_history.c.id.desc()).limit(limit)
    )
    return [HistoryEntry(row.from_state, row.to_state, row.reason, row.actor, row.at) for row in rows]


async def store_probe(
    session: Session,
    node_id: str,
    probe: Probe,
    *,
    clock_skew_seconds: float,
    proven: bool = True,
    anew: bool = False,
    claims_on: ClaimsOnGpu = nothing_known,
) -> None:
    """Keep what a node has and enforces. GPUs that are no longer there become missing, never deleted.

    One that is missing on another node moves here if nobody has claimed it and the node itself was asked;
    MachineAlreadyEnrolled for any other that is another node's.

    Disk is the most that was ever free on this machine: later looks see less of it only because allocations have filled
    it, also when it joins again. `proven` says that the node itself was asked, over SSH; what a machine says of itself
    when it joins is shown and forgotten. `anew` says that it is another machine than before.
    """
    before = select(node.c.inventory).where(node.c.id == node_id).with_for_update(key_share=True)
    inventory = (await session.execute(before)).scalar_one()
    # The GPUs before anything that placement follows: so lock all who need both.
    ours = select(gpu.c.uuid).where(gpu.c.node_id == node_id).order_by(gpu.c.uuid).with_for_update(key_share=True)
    known = set((await session.execute(ours)).scalars())
    earlier_gib = 0 if anew or inventory is None else inventory.get("proven_disk_gib", inventory["disk_gib"])
    disk_gib = max(probe.disk_gib, earlier_gib)
    shown, not_ours_yet = [found.uuid for found in probe.gpus], set[str]()
    if proven:
        await move_here(session, node_id, shown, claims_on=claims_on)
    else:
        not_ours_yet = await refuse_kept(session, node_id, shown, claims_on=claims_on)
    for found in probe.gpus:
        if found.uuid in not_ours_yet:
            continue
        stored = await session.execute(
            insert(gpu)
            .values(
                uuid=found.uuid,
                node_id=node_id,
                model=found.model,
                memory_mib=found.memory_mib,
                state=GpuState.AVAILABLE.value,
            )
            .on_conflict_do_update(
                index_elements=["uuid"],
                set_={"model": found.model, "memory_mib": found.memory_mib},
                where=gpu.c.node_id == node_id,
            )
            .returning(gpu.c.state)
        )
        state = stored.scalar_one()
        if state == GpuState.MISSING.value:
            await move_gpu(session, found.uuid, GpuState.AVAILABLE)
    for uuid in sorted(known - {found.uuid for found in probe.gpus}):
        await move_gpu(session, uuid, GpuState.MISSING)
    await session.execute(
        update(node)
        .where(node.c.id == node_id)
        .values(
            inventory={
                "vcpu": probe.vcpu,
                "memory_mib": probe.memory_mib,
                "disk_gib": disk_gib,
                "proven_disk_gib": disk_gib if proven else earlier_gib,
                "kernel": probe.kernel,
                "os": probe.os,
                "hostname": probe.hostname,
                "mode": probe.mode,
                "clock_skew_seconds": round(clock_skew_seconds, 1),
            },
            capabilities=[
                {"name": item.name, "enforced": item.enforced, "detail": item.detail} for item in probe.capabilities
            ],
            limits_enforced=probe.limits_enforced,
            helper_version=probe.helper_version,
            helper_sha256=probe.helper_sha256,
            helper_too_old=helper_versions.is_older(probe.helper_version, helper_versions.MINIMUM),
            boot_id=probe.boot_id,
            **({"own_principal": probe.own_principal} if proven else {}),
        )
    )


async def store_clock(session: Session, node_id: str, skew_seconds: float) -> None:
    """Keep how far a node's clock is from the database's."""
    skew = func.jsonb_build_object("clock_skew_seconds", cast(round(skew_seconds, 1), Float))
    await session.execute(update(node).where(node.c.id == node_id).values(inventory=node.c.inventory.op("||")(skew)))


async def is_fresh(session: Session, node_id: str) -> bool:
    """Whether the node was seen so lately that it counts as there."""
    fresh = select(node.c.id).where(node.c.id == node_id, node.c.fresh_until > func.clock_timestamp())
    return (await session.execute(fresh)).first() is not None


def fresh_until(seen_at: datetime, settings: Settings, took_seconds: float = 0.0) -> datetime:
    """Until when a look at a node is believed: placement passes it over after that, until it is seen again.

    `seen_at` is when it was asked. The time that it took counts twice: until it answered, and for the next answer.
    """
    return seen_at + timedelta(seconds=FRESH_INTERVALS * settings.observe_interval_seconds + 2 * took_seconds)


async def note_strangers(session: Session, node_id: str, found: Collection[tuple[str, int]], at: datetime) -> None:
    """Keep which accounts (login, uid) on a node nobody knows; each since it was first seen without a break."""
    kept = (await session.execute(select(node.c.strangers).where(node.c.id == node_id))).scalar_one()
    since = {(item["login"], item["uid"]): item["since"] for item in kept}
    wanted = [
        {"login": login, "uid": uid, "since": since.get((login, uid), at.isoformat())} for login, uid in sorted(found)
    ]
    if wanted != kept:
        await session.execute(update(node).where(node.c.id == node_id).values(strangers=wanted))


async def strangers(session: Session) -> list[tuple[str, Stranger]]:
    """Every account that nobody knows, with its node's name."""
    found = select(node.c.name, node.c.strangers).where(HAS_MACHINE, func.jsonb_array_length(node.c.strangers) > 0)
    rows = await session.execute(found.order_by(node.c.name))
    return [(row.name, one) for row in rows for one in _strangers(row.strangers)]


def _strangers(stored: list[dict[str, Any]]) -> tuple[Stranger, ...]:
    return tuple(Stranger(item["login"], item["uid"], datetime.fromisoformat(item["since"])) for item in stored)


async def _gpus(session: Session, node_ids: Sequence[str]) -> dict[str, list[Gpu]]:
    found: dict[str, list[Gpu]] = defaultdict(list)
    if node_ids:
        columns = (*gpu.c, *(column for column in gpu_health.c if column.name not in {"uuid", "seen_at"}))
        health = select(*columns, gpu_health.c.seen_at.label("health_at")).outerjoin_from(
            gpu, gpu_health, gpu_health.c.uuid == gpu.c.uuid
        )
        rows = await session.execute(health.where(gpu.c.node_id.in_(node_ids)).order_by(gpu.c.uuid))
        for row in rows:
            why = row.quarantine_code, row.quarantine_reason, row.quarantined_at
            quarantine = None if row.quarantine_code is None else Quarantine(*why)
            known = None if row.facts is None else GpuHealth.read(row.facts, row.findings, row.health_at)
            seen = Gpu(row.uuid, row.node_id, row.model, row.memory_mib, GpuState(row.state), quarantine, known)
            found[row.node_id].append(seen)
    return found


async def _load(session: Session, statement: Select[Any]) -> list[Node]:
    rows = (await session.execute(statement)).all()
    gpus = await _gpus(session, [row.id for row in rows])
    return [_node(row, tuple(gpus[row.id])) for row in rows]


def _node(row: Row[Any], gpus: tuple[Gpu, ...]) -> Node:
    inventory, failure = row.inventory, row.failure
    return Node(
        id=row.id,
        kind=row.kind,
        name=row.name,
        address=row.address,
        port=row.port,
        state=NodeState(row.state),
        resumes_as=NodeState(row.resumes_as),
        labels=row.labels,
        limits_enforced=row.limits_enforced,
        capabilities=tuple(Capability(item["name"], item["enforced"], item["detail"]) for item in row.capabilities),
        inventory=None
        if inventory is None
        else Inventory(
            inventory["vcpu"], inventory["memory_mib"], inventory["disk_gib"], inventory["kernel"], inventory["os"]
        ),
        gpus=gpus,
        host_public_key=row.host_public_key,
        host_certificate_expires_at=row.host_certificate_expires_at,
        helper_version=row.helper_version,
        helper_sha256=row.helper_sha256,
        boot_id=row.boot_id,
        last_seen_at=row.last_seen_at,
        closed=row.closed,
        disk_free_gib=row.disk_free_gib,
        inodes_free=row.inodes_free,
        enrolled_at=row.enrolled_at,
        verified_at=row.verified_at,
        failure=None if failure is None else Failure(failure["code"], failure["detail"], failure["at"]),
        entered_at=row.entered_at,
        no_entry=None if row.no_entry is None else NoEntry(**row.no_entry),
        gpu_trouble=tuple(f"{item['detail']}, since {item['since']}" for item in row.gpu_trouble or []),
        self_tested_at=row.self_tested_at,
        strangers=_strangers(row.strangers),
        clock_skew_seconds=None if inventory is None else inventory.get("clock_skew_seconds"),
        ports=None if row.first_port is None else (row.first_port, row.last_port),
        created_at=row.created_at,
    )
