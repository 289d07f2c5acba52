"""The reads that every request makes: right, alone on their connection, and not upset by a database that restarts."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy.exc import DataError, OperationalError

from sublet.core.db import Database
from sublet.core.reads import Read
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.anyio

PID = Read("SELECT pg_backend_pid()")
SLEEP = Read("SELECT pg_sleep(:seconds), pg_backend_pid()")


@pytest.fixture
async def small(app_url: str) -> AsyncIterator[Database]:
    """A database with two connections for reads."""
    database = Database(app_url, pool_size=4)
    yield database
    await database.close()


class TestReads:
    async def test_give_the_columns_as_the_driver_does(self, small: Database) -> None:
        read = Read(
            "SELECT CAST(:number AS bigint) + 1, CAST(:word AS text), :hash = sha256('x'), NULL,"
            " CAST(:words AS text[]), CAST(:number AS bigint)::text, 'epoch'::timestamptz"
        )
        values = {"number": 2**40, "word": "na\u00efve 'quoted' \u65e5", "hash": b"\0" * 32, "words": "{b,a}"}
        wanted = (
            2**40 + 1,
            "na\u00efve 'quoted' \u65e5",
            False,
            None,
            ["b", "a"],
            str(2**40),
            datetime(1970, 1, 1, tzinfo=UTC),
        )
        for _ in range(3):
            assert await small.reads.first(read, values) == wanted
        assert await small.reads.first(Read("SELECT 1 WHERE false"), {}) is None

    async def test_ask_once_for_what_never_changes(self, small: Database) -> None:
        read = Read(
            "SELECT id, clock_timestamp()::text FROM unnest(ARRAY['a\"b', 'c', 'd']) id"
            " WHERE id IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))"
        )
        first = await small.reads.lasting(read, ['a"b', "unknown"])
        assert first.keys() == {'a"b'}
        later = await small.reads.lasting(read, ["c", 'a"b', "d"])
        assert later.keys() == {'a"b', "c", "d"}
        assert later['a"b'] == first['a"b']
        assert await small.reads.lasting(read, []) == {}

    async def test_act_as_the_application_in_utc_and_cannot_write(self, small: Database) -> None:
        shown = Read(
            "SELECT current_user, current_setting('timezone'), current_setting('default_transaction_read_only')"
        )
        assert await small.reads.first(shown, {}) == ("sublet_app", "UTC", "on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await small.reads.rows(Read("DELETE FROM outbox_cursor RETURNING 1"), {})
        assert len(await small.reads.rows(PID, {})) == 1

    async def test_carry_large_answers_and_questions(self, small: Database) -> None:
        rows = await small.reads.rows(
            Read("SELECT repeat(CAST(:word AS text), 1000) FROM generate_series(1, 300)"), {"word": "word"}
        )
        assert [len(row[0]) for row in rows] == [4000] * 300
        long = "x" * 3_000_000
        assert await small.reads.first(Read("SELECT length(CAST(:long AS text))"), {"long": long}) == (3_000_000,)

    async def test_refuse_what_cannot_be_stored(self, small: Database) -> None:
        read = Read("SELECT CAST(:word AS text)")
        with pytest.raises(DataError):
            await small.reads.rows(read, {"word": "before\0after"})
        with pytest.raises(DataError):
            await small.reads.rows(Read("SELECT CAST(:number AS bigint)"), {"number": 2**70})
        assert await small.reads.first(read, {"word": "fine"}) == ("fine",)

    async def test_wait_for_a_free_connection_and_open_no_more(self, small: Database) -> None:
        rows = await asyncio.gather(*(small.reads.first(SLEEP, {"seconds": 0.02}) for _ in range(10)))
        assert len({row[1] for row in rows if row is not None}) == 2

    async def test_are_not_mixed_up_by_a_request_that_went_away(self, small: Database) -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(small.reads.first(SLEEP, {"seconds": 5}), 0.05)
        assert await asyncio.wait_for(small.reads.first(Read("SELECT 7"), {}), 5) == (7,)

    async def test_survive_connections_that_ended_without_a_failing_answer(
        self, small: Database, postgres: EmbeddedPostgres, database_name: str
    ) -> None:
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database_name}'"
        before = {
            row[1] for row in await asyncio.gather(*(small.reads.first(SLEEP, {"seconds": 0.02}) for _ in "ab")) if row
        }
        postgres.sql(end)
        after = {
            row[1] for row in await asyncio.gather(*(small.reads.first(SLEEP, {"seconds": 0.02}) for _ in "ab")) if row
        }
        assert not before & after
        asking = asyncio.ensure_future(small.reads.first(SLEEP, {"seconds": 0.5}))
        await asyncio.sleep(0.1)
        postgres.sql(end)
        assert await asking is not None

    async def test_say_that_the_database_is_away(self, app_url: str) -> None:
        away = Database(app_url.replace("host=", "host=%2Fnowhere"), pool_size=4)
        with pytest.raises(OperationalError):
            await away.reads.rows(PID, {})
        await away.close()
