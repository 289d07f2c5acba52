"""Leases: one holder at a time, and whoever lost the lease changes nothing any more."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Column, MetaData, Row, Table, Text, text
from sqlalchemy.exc import OperationalError

from sublet.core import leases
from sublet.core.db import Database, Session
from sublet.core.leases import Lease, LeaseLost

pytestmark = pytest.mark.anyio

LEASED = Table("leased", MetaData(), Column("id", Text))

Use = Callable[[Session, Lease], Awaitable[None]]


async def renew(session: Session, lease: Lease) -> None:
    await leases.renew(session, lease, seconds=60)


async def finish(session: Session, lease: Lease) -> None:
    await leases.finish(session, lease, retry_in_seconds=None)


async def finish_for_now(session: Session, lease: Lease) -> None:
    await leases.finish(session, lease, retry_in_seconds=30)


USES = [renew, leases.hold, finish, finish_for_now]
"""Everything that a holder does with its lease."""


class Rows:
    """A table whose rows are worked on, with the rows `a` and `b`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def claim(self, row: str = "a", *, wait: str = "10s") -> Lease | None:
        async with self.database.transaction() as session:
            await session.execute(text(f"SET LOCAL lock_timeout = '{wait}'"))
            return await leases.claim(session, LEASED, row, seconds=60)

    async def claimed(self, row: str = "a") -> Lease:
        lease = await self.claim(row)
        assert lease is not None
        return lease

    async def use(self, do: Use, lease: Lease) -> None:
        async with self.database.transaction() as session:
            await do(session, lease)

    async def expire(self, row: str = "a") -> None:
        await self.run("UPDATE leased SET lease_expires_at = clock_timestamp() WHERE id = :id", id=row)

    async def due(self, limit: int = 100) -> list[str]:
        async with self.database.reading() as session:
            return await leases.due(session, LEASED, limit=limit)

    async def run(self, statement: str, **parameters: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(text(statement), parameters)

    async def row(self, row: str = "a") -> Row[Any]:
        async with self.database.reading() as session:
            return (
                await session.execute(
                    text(
                        "SELECT lease_token, lease_expires_at, attempts, next_attempt_at = 'infinity' AS never, "
                        "CASE WHEN isfinite(next_attempt_at) "
                        "THEN extract(epoch FROM next_attempt_at - clock_timestamp()) END AS wait_seconds, "
                        "extract(epoch FROM lease_expires_at - clock_timestamp()) AS left_seconds "
                        "FROM leased WHERE id = :id"
                    ),
                    {"id": row},
                )
            ).one()


@pytest.fixture
async def rows(database: Database, owner_url: str) -> Rows:
    """Two rows that are due."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(
            """
            CREATE TABLE leased (id text PRIMARY KEY, lease_token bigint, lease_expires_at timestamptz,
              attempts integer NOT NULL DEFAULT 0, next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp());
            INSERT INTO leased (id) VALUES ('a');
            INSERT INTO leased (id) VALUES ('b');
            GRANT SELECT, UPDATE ON leased TO sublet_app
            """
        )
    return Rows(database)


class TestClaiming:
    async def test_gives_the_row_to_one_for_a_time_and_counts_the_attempt(self, rows: Rows) -> None:
        lease = await rows.claimed()
        row = await rows.row()
        assert (lease.row_id, lease.token, row.attempts) == ("a", row.lease_token, 1)
        assert 50 < row.left_seconds <= 60
        assert (await rows.row("b")).lease_token is None

    async def test_is_for_nobody_else_meanwhile(self, rows: Rows) -> None:
        await rows.claimed()
        assert await rows.claim() is None
        assert (await rows.row()).attempts == 1

    async def test_of_a_row_that_is_not_due_is_for_nobody(self, rows: Rows) -> None:
        await rows.run("UPDATE leased SET next_attempt_at = clock_timestamp() + interval '1 hour'")
        assert await rows.claim() is None

    async def test_is_possible_again_once_it_has_expired_with_a_larger_token(self, rows: Rows) -> None:
        first = await rows.claimed()
        await rows.expire()
        second = await rows.claimed()
        assert second.token > first.token

    async def test_is_won_by_one_of_many_at_the_same_time(self, rows: Rows) -> None:
        won = await asyncio.gather(*(rows.claim() for _ in range(10)))
        assert sum(lease is not None for lease in won) == 1


class TestHolding:
    @pytest.mark.parametrize("do", USES)
    async def test_lets_the_holder_go_on_also_past_the_time_if_nobody_took_over(self, rows: Rows, do: Use) -> None:
        lease = await rows.claimed()
        await rows.expire()
        await rows.use(do, lease)

    @pytest.mark.parametrize("do", USES)
    async def test_a_stolen_lease_does_nothing_to_the_row_of_its_new_holder(self, rows: Rows, do: Use) -> None:
        stolen = await rows.claimed()
        await rows.expire()
        await rows.claimed()
        before = await rows.row()
        with pytest.raises(LeaseLost):
            await rows.use(do, stolen)
        after = await rows.row()
        assert (after.lease_token, after.lease_expires_at, after.attempts, after.never) == (
            before.lease_token,
            before.lease_expires_at,
            before.attempts,
            before.never,
        )

    @pytest.mark.parametrize("do", USES)
    async def test_a_lease_that_was_taken_away_does_nothing(self, rows: Rows, do: Use) -> None:
        lease = await rows.claimed()
        await rows.run("UPDATE leased SET lease_expires_at = NULL")  # as when what is wanted has changed
        with pytest.raises(LeaseLost):
            await rows.use(do, lease)
        assert (await rows.row()).lease_expires_at is None

    @pytest.mark.parametrize("do", USES)
    async def test_a_lease_that_was_given_back_does_nothing(self, rows: Rows, do: Use) -> None:
        lease = await rows.claimed()
        await rows.use(finish_for_now, lease)
        with pytest.raises(LeaseLost):
            await rows.use(do, lease)

    async def test_locks_the_row_until_the_result_is_stored(self, rows: Rows) -> None:
        lease = await rows.claimed()
        await rows.expire()
        async with rows.database.transaction() as holder:
            await leases.hold(holder, lease)
            with pytest.raises(OperationalError, match="lock timeout"):
                await rows.claim(wait="50ms")

    async def test_renewing_lets_it_last_longer_from_now(self, rows: Rows) -> None:
        lease = await rows.claimed()
        await rows.expire()
        await rows.use(renew, lease)
        assert 50 < (await rows.row()).left_seconds <= 60
        assert await rows.claim() is None


class TestFinishing:
    async def test_for_good_makes_the_row_rest_and_attempts_start_again(self, rows: Rows) -> None:
        await rows.use(finish, await rows.claimed())
        row = await rows.row()
        assert (row.lease_expires_at, row.attempts, row.never) == (None, 0, True)
        assert await rows.claim() is None

    async def test_for_now_makes_it_due_after_a_while_and_keeps_the_count(self, rows: Rows) -> None:
        await rows.use(finish_for_now, await rows.claimed())
        row = await rows.row()
        assert (row.lease_expires_at, row.attempts) == (None, 1)
        assert 20 < row.wait_seconds <= 30


class TestDue:
    async def test_is_what_nobody_works_on_the_longest_waiting_first(self, rows: Rows) -> None:
        assert await rows.due() == ["a", "b"]
        await rows.run("UPDATE leased SET next_attempt_at = next_attempt_at - interval '1 hour' WHERE id = 'b'")
        assert await rows.due() == ["b", "a"]
        assert await rows.due(limit=1) == ["b"]

    async def test_leaves_out_what_is_leased_until_the_lease_expires(self, rows: Rows) -> None:
        await rows.claimed()
        assert await rows.due() == ["b"]
        await rows.expire()
        assert await rows.due() == ["a", "b"]

    async def test_leaves_out_what_comes_later(self, rows: Rows) -> None:
        await rows.run("UPDATE leased SET next_attempt_at = clock_timestamp() + interval '1 hour' WHERE id = 'a'")
        await rows.run("UPDATE leased SET next_attempt_at = 'infinity' WHERE id = 'b'")
        assert await rows.due() == []
