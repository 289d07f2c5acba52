"""Each charge keeps the observations that it rests on, as one run: node, boot, first, last, how many."""

from typing import Any

import pytest
from sqlalchemy import text

from sublet.billing import meters, settlement, usage
from sublet.billing.schemas import UsageOut
from sublet.core.db import Database, Session
from tests.billing.usage import Subject, new_subject
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


async def _see(session: Session, subject: Subject, boot: str | None, *moments: float) -> None:
    for moment in moments:
        await meters.observe(session, {subject.id}, subject.at(moment), boot_id=boot, policy=DEFAULT_POLICY)


async def _settle(session: Session, subject: Subject, *, together: bool) -> None:
    if together:
        await session.execute(text("UPDATE meter SET settle_due_at = now() WHERE subject_id = :id"), {"id": subject.id})
        assert (await settlement.settle_due(session, policy=DEFAULT_POLICY)).left == []
    else:
        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)


async def _runs(session: Session, subject: Subject) -> list[Any]:
    """Of each charge, the oldest first: seconds, boot, and from when until when how often it was seen."""
    return [
        (
            one.seconds,
            seen.boot_id,
            *((at - subject.started_at).total_seconds() for at in (seen.first_at, seen.last_at)),
            seen.count,
        )
        for one in reversed(await usage.charges_for(session, subject.id, limit=10))
        if (seen := UsageOut.of(one).observations) is not None
    ]


BOTH_WAYS = pytest.mark.parametrize("together", [False, True], ids=["singly", "in a batch"])


@BOTH_WAYS
class TestRun:
    async def test_grows_with_each_observation(self, database: Database, together: bool) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await _see(session, subject, "boot-1", 100, 200)
            await _settle(session, subject, together=together)
            await _see(session, subject, "boot-1", 150, 300)  # what comes late proves nothing more
            await _settle(session, subject, together=together)
            assert await _runs(session, subject) == [(200, "boot-1", 0, 200, 3), (100, "boot-1", 0, 300, 4)]

    async def test_ends_where_nobody_knows_what_was_delivered(self, database: Database, together: bool) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await _see(session, subject, "boot-1", 100, 2000, 2100)
            await _settle(session, subject, together=together)
            assert await _runs(session, subject) == [(100, "boot-1", 0, 100, 2), (100, "boot-1", 2000, 2100, 2)]

    async def test_is_of_one_boot(self, database: Database, together: bool) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await _see(session, subject, "boot-1", 100, 200)
            await _settle(session, subject, together=together)
            await _see(session, subject, "boot-2", 250, 300)
            await _settle(session, subject, together=together)
            assert await _runs(session, subject) == [(200, "boot-1", 0, 200, 3), (100, "boot-2", 250, 300, 2)]
            kept = await session.execute(text("SELECT node_id, boot_id, count FROM observation_run"))
            assert [tuple(row) for row in kept] == [("nd_1", "boot-1", 3)]

    async def test_of_usage_from_before_is_not_made_up(self, database: Database, together: bool) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await session.execute(
                text("UPDATE meter SET seen_from = NULL, seen_count = 0, observed_to = started_at + '9 s'")
            )
            await _settle(session, subject, together=together)
            assert await _runs(session, subject) == []
            await _see(session, subject, "boot-1", 100)
            await _settle(session, subject, together=together)
            assert [count for *_, count in await _runs(session, subject)] == [1]
