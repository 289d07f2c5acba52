"""The health of each GPU: taken in with every look at its node, told once, and kept for whoever asks.

A GPU that errs is quarantined alone. An error of the driver (XID) is told when it is first seen, by its place in the
kernel's log; a fact, when it becomes so, and it ends with the first look that does not see it any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core import telemetry
from sublet.core.actors import system_actor
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.outbox import publish
from sublet.fleet import gpu_judgement
from sublet.fleet.backend import GpuFacts, GpuXid, Observation, ObservedGpus
from sublet.fleet.events import GpuErred
from sublet.fleet.gpu_judgement import GpuFinding
from sublet.fleet.gpu_quarantine import quarantine_gpu
from sublet.fleet.models import gpu, gpu_health, node
from sublet.fleet.states import HAS_MACHINE, GpuState
from sublet.fleet.xids import Severity

log = telemetry.get_logger(__name__)

KEPT = timedelta(days=7)
"""Errors of the driver are shown for so long after the last of their kind."""
OFTEN = timedelta(minutes=1)
"""Figures that only vary, like a temperature, are stored no more often than this."""
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class GpuHealth:
    """What is known of a GPU's health, and when it was last seen."""

    facts: GpuFacts
    findings: tuple[GpuFinding, ...]
    seen_at: datetime

    @classmethod
    def read(cls, facts: dict[str, Any], findings: Sequence[dict[str, Any]], seen_at: datetime) -> "GpuHealth":
        """From what is stored."""
        read = GpuFacts(**{**facts, "slowed_by": tuple(facts["slowed_by"])})
        return cls(read, tuple(map(GpuFinding.read, findings)), seen_at)

    @property
    def worst(self) -> Severity | None:
        """The worst that it has; None when nothing is wrong."""
        return next((one for one in Severity if any(found.severity is one for found in self.findings)), None)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a node, at what it says of its GPUs."""

    node_id: str
    node_name: str
    boot_id: str
    at: datetime
    before: datetime | None
    seen: ObservedGpus

    def facts_of(self, uuid: str) -> GpuFacts | None:
        """None while nvidia-smi has said nothing. One that is not listed, though others are, does not answer."""
        cards = self.seen.cards
        if cards is None or (self.seen.failure is not None and not cards):
            return None
        return next((card for card in cards if card.uuid == uuid), GpuFacts(bus="", uuid=uuid, answers=False))


async def note(
    session: Session, node_id: str, node_name: str, observation: Observation, *, before: datetime | None
) -> None:
    """Take in what a look at a node says of its GPUs, which was looked at `before`; harmless when repeated. The caller
    has locked the node's row."""
    if observation.gpus is None:
        return
    look = _Look(node_id, node_name, observation.boot_id, observation.observed_at, before, observation.gpus)
    columns = (gpu.c.uuid, gpu.c.model, gpu.c.state, *(column for column in gpu_health.c if column.name != "uuid"))
    known = (
        select(*columns)
        .outerjoin_from(gpu, gpu_health, gpu_health.c.uuid == gpu.c.uuid)
        .where(gpu.c.node_id == node_id)
        .order_by(gpu.c.uuid)
    )
    rows = (await session.execute(known)).all()
    for row in rows:
        await _note_one(session, look, row)
    await _note_trouble(session, look, {row.uuid for row in rows})


async def _note_one(session: Session, look: _Look, row: Row[Any]) -> None:
    before = {one["code"]: GpuFinding.read(one) for one in row.findings or []}
    facts = look.facts_of(row.uuid)
    if facts is None:  # nothing is known now: what was wrong is so still
        wrong = [one for one in before.values() if one.xid is None]
    else:
        wrong = [_since(one, before) for one in gpu_judgement.of_facts(facts, look.at)]
    appeared = [one for one in wrong if one.code not in before]
    mark = row.record if row.boot_id == look.boot_id else -1
    new = [one for one in look.seen.xids if one.uuid == row.uuid and one.number > mark]
    if new and look.before is not None and row.boot_id == look.boot_id:
        now = await database_now(session)
        new = [_between(one, look.before, now) for one in new]
    errors = {one.code: one for one in before.values() if one.xid is not None and one.at > look.at - KEPT}
    for one in gpu_judgement.of_xids(new):
        earlier = errors.get(one.code)
        errors[one.code] = replace(one, count=one.count + (earlier.count if earlier else 0))
        errors[one.code] = _since(errors[one.code], before)
        appeared.append(one)
    record = max([mark, 0, *(one.number for one in new)])
    await _store(session, look, row, facts=facts, findings=[*wrong, *errors.values()], record=record)
    for one in appeared:
        await _tell(session, look, row, one)
    to_keep = appeared if row.state == GpuState.QUARANTINED.value else [*appeared, *wrong]
    for one in to_keep:
        if one.severity is Severity.QUARANTINE:
            reason = f"It {one}"[:LONGEST_REASON]
            await quarantine_gpu(session, system_actor("observation"), row.uuid, reason=reason, code=one.code)


def _between(one: GpuXid, before: datetime, now: datetime) -> GpuXid:
    """An error that the look before did not see has happened since then, whatever its time says.

    The clock of the kernel's log is not corrected, and tens of seconds off after some weeks. A time at which it cannot
    have happened becomes the earliest, so that nobody who came since then hears of what was before them.
    """
    return one if before <= one.at <= now else replace(one, at=before)


def _since(one: GpuFinding, before: Mapping[str, GpuFinding]) -> GpuFinding:
    return replace(one, since=before[one.code].since) if one.code in before else one


async def _store(
    session: Session,
    look: _Look,
    row: Row[Any],
    *,
    facts: GpuFacts | None,
    findings: Sequence[GpuFinding],
    record: int,
) -> None:
    shown = row.facts if facts is None else asdict(facts) | {"slowed_by": list(facts.slowed_by)}
    if shown is None:
        return
    stored = sorted((one.stored() for one in findings), key=lambda one: str(one["code"]))
    same = row.findings is not None and _without_times(stored) == _without_times(row.findings)
    if same and (row.boot_id, row.record) == (look.boot_id, record) and look.at - row.seen_at < OFTEN:
        return
    values = {"facts": shown, "findings": stored, "boot_id": look.boot_id, "record": record, "seen_at": look.at}
    statement = insert(gpu_health).values(uuid=row.uuid, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["uuid"], set_=values))


def _without_times(stored: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "at": None} for one in stored]


async def _tell(session: Session, look: _Look, row: Row[Any], one: GpuFinding) -> None:
    log.warning("gpu.erred", node=look.node_id, gpu=row.uuid, code=one.code, severity=one.severity.value)
    event = GpuErred(
        gpu=row.uuid,
        node_id=look.node_id,
        node_name=look.node_name,
        code=one.code,
        severity=one.severity.value,
        detail=f"The GPU {row.uuid} ({row.model}) of the node {look.node_name} {one}",
        told=f"Its GPU {row.uuid} ({row.model}) {one.told}",
        at=one.at,
    )
    await publish(session, event, subject=look.node_id, organization_id=None)


async def _note_trouble(session: Session, look: _Look, ours: set[str]) -> None:
    """Keep why the GPUs of a node cannot be looked at, and errors of GPUs that nobody knows; each since it was seen."""
    trouble = select(node.c.gpu_trouble).where(node.c.id == look.node_id)
    kept = (await session.execute(trouble)).scalar_one() or []
    since = {item["code"]: item["since"] for item in kept}
    found = []
    if look.seen.failure is not None:
        found.append(("gpus_unreadable", f"nvidia-smi cannot say how its GPUs are: {look.seen.failure}"))
    for one in gpu_judgement.of_xids([error for error in look.seen.xids if error.uuid not in ours]):
        found.append((one.code, f"a GPU that is none of those it was enrolled with {one}"))
    wanted = [{"code": code, "detail": detail, "since": since.get(code, look.at.isoformat())} for code, detail in found]
    if wanted != kept:
        await session.execute(update(node).where(node.c.id == look.node_id).values(gpu_trouble=wanted or None))


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that somebody has to see to: of a GPU by its UUID, or of the GPUs of a node by its name."""

    subject_type: str
    subject_id: str
    problem: str


async def troubles(session: Session) -> list[Trouble]:
    """All that is wrong with GPUs and was not a program's mistake."""
    found = []
    sick = (
        select(gpu.c.uuid, gpu.c.model, gpu_health.c.findings, node.c.name)
        .join_from(gpu_health, gpu, gpu.c.uuid == gpu_health.c.uuid)
        .join(node, node.c.id == gpu.c.node_id)
        .where(HAS_MACHINE, gpu_health.c.findings != [])
        .order_by(gpu.c.uuid)
    )
    for row in (await session.execute(sick)).all():
        for one in map(GpuFinding.read, row.findings):
            if one.severity is not Severity.PROGRAM:
                since = one.since.isoformat(timespec="seconds")
                found.append(Trouble("gpu", row.uuid, f"({row.model}, node {row.name}) {one} Since {since}"))
    dark = select(node.c.name, node.c.gpu_trouble).where(HAS_MACHINE, node.c.gpu_trouble.is_not(None))
    for name, trouble in (await session.execute(dark.order_by(node.c.name))).all():
        found += [Trouble("node", name, f"{item['detail']}. Since {item['since']}") for item in trouble]
    return found
