"""Pokes: a job exists if and only if the transaction that asked for it was committed, and reaches its handler."""

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.jobs import job_app, poke, register_poke

pytestmark = pytest.mark.anyio


async def waiting(database: Database) -> list[tuple[str, str, str]]:
    """Queue, kind and row of every job that waits."""
    async with database.reading() as session:
        rows = await session.execute(
            text(
                "SELECT queue_name, args->>'kind' AS kind, args->>'row_id' AS row_id FROM procrastinate_jobs "
                "WHERE status = 'todo' ORDER BY id"
            )
        )
        return [(row.queue_name, row.kind, row.row_id) for row in rows]


class Stop(Exception):
    """What the transaction ends with."""


class Answered:
    """A worker's handlers, and what they were asked to look at."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    async def thing(self, row_id: str) -> None:
        self.rows.append(("thing", row_id))
        if row_id == "broken":
            raise Stop

    async def other(self, row_id: str) -> None:
        self.rows.append(("other", row_id))

    async def work(self, database: Database) -> None:
        """Work off what waits, and end."""
        app = job_app(database)
        register_poke(app, {"thing": self.thing, "other": self.other})
        async with app.open_async():
            await app.run_worker_async(queues=["pokes"], wait=False, install_signal_handlers=False, concurrency=1)


class TestPoke:
    async def test_exists_when_the_transaction_is_committed(self, database: Database) -> None:
        async with database.transaction() as session:
            await poke(session, "thing", "th_1")
            assert await waiting(database) == []
        assert await waiting(database) == [("pokes", "thing", "th_1")]

    async def test_is_gone_with_the_transaction_that_is_undone(self, database: Database) -> None:
        async def undone() -> None:
            async with database.transaction() as session:
                await poke(session, "thing", "th_1")
                raise Stop

        with pytest.raises(Stop):
            await undone()
        assert await waiting(database) == []


class TestWorker:
    async def test_hands_each_row_to_the_handler_of_its_kind(self, database: Database) -> None:
        async with database.transaction() as session:
            await poke(session, "thing", "th_1")
            await poke(session, "other", "ot_1")
        answered = Answered()
        await answered.work(database)
        assert sorted(answered.rows) == [("other", "ot_1"), ("thing", "th_1")]
        assert await waiting(database) == []

    async def test_goes_on_after_a_handler_that_fails_or_that_is_not_there(self, database: Database) -> None:
        async with database.transaction() as session:
            await poke(session, "thing", "broken")
            await poke(session, "nothing", "no_1")
            await poke(session, "thing", "th_1")
        answered = Answered()
        await answered.work(database)
        assert ("thing", "th_1") in answered.rows
        async with database.reading() as session:
            rows = await session.execute(text("SELECT args->>'row_id' FROM procrastinate_jobs WHERE status = 'failed'"))
            assert set(rows.scalars()) == {"broken", "no_1"}
