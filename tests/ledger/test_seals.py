"""Sealing waits for whoever may still write, and nothing escapes it."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.ledger import seals
from sublet.ledger.failures import LedgerRefused
from tests.ledger.books import key, new_wallet, top_up
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio


async def _seal(database: Database) -> int:
    async with database.transaction() as session:
        return await seals.seal_ranges(session)


async def _sealed_to(database: Database) -> int:
    async with database.reading() as session:
        return int((await session.execute(text("SELECT coalesce(max(to_id), 0) FROM ledger.seal"))).scalar_one())


async def _mark(database: Database) -> tuple[int, str]:
    """Up to which entry the last call saw the books, and whom the next one waits for."""
    async with database.reading() as session:
        row = (await session.execute(text("SELECT up_to, bound::text FROM ledger.seal_mark"))).one()
    return row.up_to, row.bound


class TestSealing:
    async def test_seals_what_an_earlier_call_saw(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
        assert await _seal(database) == 0
        assert await _seal(database) == 1
        assert await _seal(database) == 0

    async def test_seals_once_by_two_calls_at_the_same_time(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
        await _seal(database)
        async with database.transaction() as session:
            assert await seals.seal_ranges(session) == 1
            again = asyncio.create_task(_seal(database))
            await until_somebody_waits(database)
        assert await again == 0

    async def test_of_a_backlog_is_some_of_it_a_call_and_all_of_it_at_last(
        self, database: Database, app_url: str
    ) -> None:
        async with database.transaction() as session:
            owner = await new_wallet(session)
        with psycopg.connect(app_url, autocommit=True) as connection:
            connection.execute(
                "SELECT ledger.top_up(%s, 'USD', 5000000::bigint, 'pi_' || n, 'ch_' || n, 'Top-up', 'top_up', 'tu_1') "
                "FROM generate_series(1, 205) n",
                [owner],
            )
            calls = [connection.execute("SELECT ledger.seal_ranges(1)").fetchone() for _ in range(4)]
        assert calls == [(0,), (200,), (5,), (0,)]
        async with database.reading() as session:
            assert await seals.broken_seals(session) == []

    async def test_waits_for_a_transaction_with_a_lower_id(self, database: Database, app_url: str) -> None:
        async with database.transaction() as session:
            slow, fast = await new_wallet(session), await new_wallet(session)
        with psycopg.connect(app_url) as laggard:
            call = "SELECT ledger.top_up(%s, 'USD', 5000000::bigint, %s, %s, 'Top-up', 'top_up', 'tu_1')"
            lower = laggard.execute(call, [slow, key("pi"), key("ch")]).fetchone()
            async with database.transaction() as session:
                await top_up(session, fast, "5")
            for _ in range(3):
                await _seal(database)
            assert await _sealed_to(database) == 0
            laggard.commit()
        for _ in range(3):
            await _seal(database)
        assert lower is not None
        assert await _sealed_to(database) == lower[0] + 1
        async with database.reading() as session:
            assert await seals.broken_seals(session) == []

    async def test_waits_for_nobody_who_came_after_it_marked_what_was_there(
        self, database: Database, app_url: str
    ) -> None:
        async with database.transaction() as session:
            slow, slower, fast = [await new_wallet(session) for _ in range(3)]
        call = "SELECT ledger.top_up(%s, 'USD', 5000000::bigint, %s, %s, 'Top-up', 'top_up', 'tu_1')"
        with psycopg.connect(app_url) as laggard, psycopg.connect(app_url) as newcomer:
            lower = laggard.execute(call, [slow, key("pi"), key("ch")]).fetchone()
            async with database.transaction() as session:
                await top_up(session, fast, "5")
            assert await _seal(database) == 0
            newcomer.execute(call, [slower, key("pi"), key("ch")])
            async with database.transaction() as session:
                await top_up(session, fast, "5")
            assert await _seal(database) == 0
            laggard.commit()
            assert await _seal(database) == 1
            newcomer.rollback()
        assert lower is not None
        assert await _sealed_to(database) == lower[0] + 1

    async def test_marks_nothing_anew_while_nothing_is_new(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
        assert [await _seal(database) for _ in range(2)] == [0, 1]
        mark = await _mark(database)
        assert await _seal(database) == 0
        assert await _mark(database) == mark

    async def test_does_not_wait_for_a_time_that_came_with_a_dump(self, database: Database, owner_url: str) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
        assert await _seal(database) == 0
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("UPDATE ledger.seal_mark SET bound = '9999999999'")
        assert [await _seal(database) for _ in range(2)] == [0, 1]

    async def test_an_entry_that_never_came_leaves_no_gap_in_the_chain(self, database: Database, app_url: str) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
        with psycopg.connect(app_url) as giving_up:
            call = "SELECT ledger.top_up(%s, 'USD', 5000000::bigint, %s, %s, 'Top-up', 'top_up', 'tu_1')"
            giving_up.execute(call, [organization, key("pi"), key("ch")])
            giving_up.rollback()
        for amount in ("2", "3"):
            async with database.transaction() as session:
                await top_up(session, organization, amount)
            for _ in range(2):
                await _seal(database)
        async with database.reading() as session:
            assert await seals.broken_seals(session) == []

    async def test_needs_a_transaction_of_its_own(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
            with pytest.raises(LedgerRefused):
                await seals.seal_ranges(session)
