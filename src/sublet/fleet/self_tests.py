"""Tests of a node by itself, as they were asked for and what came of each: the work is a trial that also strains."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, text, update

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.outbox import publish
from sublet.fleet.events import NodeSelfTested
from sublet.fleet.models import node, node_self_test

_LAST = text(
    """
    SELECT t.* FROM unnest(CAST(:node_ids AS text[])) AS asked
     CROSS JOIN LATERAL (SELECT * FROM node_self_test s WHERE s.node_id = asked ORDER BY s.asked_at DESC LIMIT 1) t
    """
)


@dataclass(frozen=True, slots=True)
class Strain:
    """What came of a login that took more than it may: how many CPUs it got, whether a connection to the node itself
    was made, and whether it got twice its memory."""

    cpu_share: float
    connected: bool
    memory_taken: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; `passed` is None where the node says that it does not enforce this."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """One test: who asked for it, and what came of it; `passed` is None while it is under way."""

    id: str
    asked_by: str
    asked_at: datetime
    finished_at: datetime | None
    passed: bool | None
    checks: tuple[Check, ...]


async def ask(session: Session, actor: Actor, node_id: str) -> str:
    """Note that a test was asked for; the node's row is locked, and no other test of it is under way."""
    test_id = new_id("nst")
    await session.execute(insert(node_self_test).values(id=test_id, node_id=node_id, asked_by=actor.shown_as))
    return test_id


async def last_of(session: Session, node_ids: list[str]) -> dict[str, SelfTest]:
    """The last test of each node, by node."""
    rows = await session.execute(_LAST, {"node_ids": node_ids})
    return {row.node_id: _read(row) for row in rows}


async def under_way(session: Session, node_id: str) -> str | None:
    """The id of the test that was asked for and has not ended."""
    is_open = node_self_test.c.node_id == node_id, node_self_test.c.finished_at.is_(None)
    found: str | None = (await session.execute(select(node_self_test.c.id).where(*is_open))).scalar_one_or_none()
    return found


async def conclude(session: Session, node_id: str, test_id: str, checks: list[Check]) -> None:
    """Store what came of a test that is under way, and tell it; one that has ended stays as it is."""
    passed = all(one.passed is not False for one in checks)
    ended = (
        update(node_self_test)
        .where(node_self_test.c.id == test_id, node_self_test.c.finished_at.is_(None))
        .values(finished_at=func.clock_timestamp(), passed=passed, checks=[asdict(one) for one in checks])
    )
    if (await session.execute(ended)).rowcount != 1:
        return
    if passed:
        now = func.clock_timestamp()
        await session.execute(update(node).where(node.c.id == node_id).values(self_tested_at=now))
    failed = [one.name for one in checks if one.passed is False]
    event = NodeSelfTested(node_id=node_id, passed=passed, failed=failed)
    await publish(session, event, subject=node_id, organization_id=None)


async def give_up(session: Session, node_id: str, *, reason: str) -> None:
    """End the test of a node that nobody asks any more, for a reason like "the node was retired"."""
    test_id = await under_way(session, node_id)
    if test_id is not None:
        await conclude(session, node_id, test_id, [Check("enter", passed=False, detail=f"Not tried: {reason}.")])


def _read(row: Row[Any]) -> SelfTest:
    checks = tuple(Check(**one) for one in row.checks)
    return SelfTest(row.id, row.asked_by, row.asked_at, row.finished_at, row.passed, checks)
