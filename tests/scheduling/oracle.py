"""What claims take of nodes, worked out in plain Python from the rows alone: what the database is held against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from sublet.core.db import Session
from sublet.scheduling.placement import Shape

FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Taken:
    """A claim that took something, from `start` until just before `end`."""

    node_id: str
    start: datetime
    end: datetime
    amounts: tuple[int, int, int]
    gpus: frozenset[str] = frozenset()

    def overlaps(self, start: datetime, end: datetime) -> bool:
        return self.start < end and start < self.end


@dataclass(frozen=True)
class Fleet:
    """Capacity and GPUs (with their models) of each node that takes work, and all that was ever claimed."""

    capacity: dict[str, tuple[int, int, int]]
    gpus: dict[str, dict[str, str]]
    claims: Sequence[Taken]

    def most(self, node_id: str, start: datetime, end: datetime) -> tuple[int, int, int]:
        """The most that is taken of each resource at any instant of a window: looked at wherever something begins."""
        there = [one for one in self.claims if one.node_id == node_id and one.overlaps(start, end)]
        instants = {start, *(one.start for one in there if one.start > start)}
        return _largest(_at(there, instant) for instant in instants)

    def free_gpus(self, node_id: str, start: datetime, end: datetime, model: str | None) -> set[str]:
        """The GPUs of a model, or of any, that nobody has at any instant of a window."""
        taken = {gpu for one in self.claims if one.overlaps(start, end) for gpu in one.gpus}
        return {uuid for uuid, kind in self.gpus[node_id].items() if uuid not in taken and model in {None, kind}}

    def fitting(self, shape: Shape, start: datetime, end: datetime) -> int:
        """How many of a shape could be claimed for a window."""
        total = 0
        for node_id, has in self.capacity.items():
            most = self.most(node_id, start, end)
            left = [one - taken for one, taken in zip(has, most, strict=True)]
            counts = [one // asked for one, asked in zip(left, amounts_of(shape), strict=True)]
            if shape.gpu_count:
                counts.append(len(self.free_gpus(node_id, start, end, shape.gpu_model)) // shape.gpu_count)
            if shape.whole_node:
                counts.append(0 if most[0] else 1)  # whose disk alone is there is not there
            total += max(0, min(counts))
        return total

    def overcommitted(self) -> list[str]:
        """Every instant at which more was taken than there is, or a GPU twice; empty when all is as it must be."""
        found = []
        for node_id, has in self.capacity.items():
            there = [one for one in self.claims if one.node_id == node_id]
            for instant in {one.start for one in there}:
                if any(taken > most for taken, most in zip(_at(there, instant), has, strict=True)):
                    found.append(f"{node_id} at {instant}: {_at(there, instant)} of {has}")
                held = [gpu for one in there if one.start <= instant < one.end for gpu in one.gpus]
                found += [f"{gpu} twice at {instant}" for gpu in held if held.count(gpu) > 1]
        return found


def amounts_of(shape: Shape) -> tuple[int, int, int]:
    """What a shape takes, in the oracle's order."""
    return shape.vcpu, shape.memory_mib, shape.disk_gib


def _at(claims: Iterable[Taken], instant: datetime) -> tuple[int, int, int]:
    amounts = [one.amounts for one in claims if one.start <= instant < one.end]
    vcpu, memory_mib, disk_gib = (sum(column) for column in zip(*amounts, strict=True)) if amounts else (0, 0, 0)
    return vcpu, memory_mib, disk_gib


def _largest(sums: Iterable[tuple[int, int, int]]) -> tuple[int, int, int]:
    vcpu, memory_mib, disk_gib = (max(column) for column in zip(*sums, strict=True))
    return vcpu, memory_mib, disk_gib


async def read(session: Session) -> Fleet:
    """The fleet and all claims, as the rows say."""
    nodes = await session.execute(text("SELECT node_id, vcpu, memory_mib, disk_gib FROM node_capacity"))
    capacity = {row.node_id: (row.vcpu, row.memory_mib, row.disk_gib) for row in nodes}
    gpus: dict[str, dict[str, str]] = {node_id: {} for node_id in capacity}
    for row in await session.execute(text("SELECT uuid, node_id, model FROM gpu WHERE state = 'available'")):
        gpus[row.node_id][row.uuid] = row.model
    claims = await session.execute(
        text(
            """
            SELECT c.node_id, lower(c.during) AS start, upper(c.during) AS until, c.vcpu, c.memory_mib, c.disk_gib,
                   c.whole_node, ARRAY(SELECT g.gpu_uuid FROM gpu_claim g WHERE g.claim_id = c.id) AS gpus
              FROM claim c WHERE NOT isempty(c.during)
            """
        )
    )
    return Fleet(capacity, gpus, [_taken(row, capacity[row.node_id]) for row in claims])


def _taken(row: Any, capacity: tuple[int, int, int]) -> Taken:
    amounts = (row.vcpu, row.memory_mib, row.disk_gib)
    if row.whole_node:
        amounts = (*capacity[:2], row.disk_gib)
    return Taken(row.node_id, row.start, row.until or FOREVER, amounts, frozenset(row.gpus))
