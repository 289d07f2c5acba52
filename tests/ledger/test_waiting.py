"""Who waits for whom: nobody for another organization's money; and what one finds that has changed in the meantime."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.ledger import entries, holds
from sublet.ledger.failures import HoldExhausted
from sublet.ledger.holds import Hold
from tests.ledger.books import (
    Purse,
    assert_books_are_sound,
    charge,
    charge_together,
    grant,
    key,
    new_hold,
    new_wallet,
    purse_of,
    top_up,
    usd,
)
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio

_TYPES = {int: "bigint", bool: "boolean", str: "text", datetime: "timestamptz"}
_NOW = datetime.now(UTC)


class Other:
    """Somebody else, in the middle of a transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def calls(self, function: str, *arguments: object) -> Any:
        """Call a function of the ledger; what it returned."""
        places = ", ".join(f"%s::{_TYPES[type(each)]}" for each in arguments)
        row = self._connection.execute(f"SELECT ledger.{function}({places})", list(arguments)).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]

    def commits(self) -> None:
        """What it did becomes true."""
        self._connection.commit()


@contextmanager
def _other(app_url: str) -> Iterator[Other]:
    with psycopg.connect(app_url) as connection:
        yield Other(connection)
        connection.rollback()


async def _while_it_waits(database: Database, act: Callable[[Session], Awaitable[Any]], other: Other) -> Any:
    """What an act gives that waits for somebody else, who then commits."""

    async def acting() -> Any:
        async with database.transaction() as session:
            return await act(session)

    waiting = asyncio.create_task(acting())
    await until_somebody_waits(database)
    other.commits()
    return await waiting


async def _wallet_with_holds(database: Database) -> tuple[str, Hold, Hold]:
    """An organization with 20 dollars, and two holds of 5 of which nothing and 2 dollars were charged."""
    async with database.transaction() as session:
        organization = await new_wallet(session, "20")
        hold, beside = await new_hold(session, organization, "5"), await new_hold(session, organization, "5")
        await charge(session, beside.id, "2")
    return organization, hold, beside


class TestNobodyWaits:
    async def test_for_another_organizations_money(self, database: Database, app_url: str) -> None:
        busy, hold, _ = await _wallet_with_holds(database)
        async with database.transaction() as session:
            free = await new_wallet(session, "20")
            gifted = await new_wallet(session, "20")
            await grant(session, gifted, "3")
        with _other(app_url) as other:
            other.calls("extend_hold", hold.id, 1_000_000, key())
            async with database.transaction() as session:
                await session.execute(text("SET LOCAL lock_timeout = '500ms'"))
                mine, gift = await new_hold(session, free, "5"), await new_hold(session, gifted, "5")
                await holds.extend(session, mine.id, usd("1"), idempotency_key=key())
                await holds.extend_many(session, {mine.id: 1_000_000})
                await charge(session, mine.id, "1")
                await charge(session, gift.id, "4")
                await charge_together(session, {mine.id: "1"})
                await top_up(session, free, "1")
                credit = await grant(session, free, "1")
                await entries.reverse(session, credit, idempotency_key=key(), reason="In error")
                await holds.release(session, mine.id, idempotency_key=key())
                assert await purse_of(session, free) == Purse(wallet=19_000_000)
                assert await purse_of(session, busy) == Purse(wallet=18_000_000, wallet_held=8_000_000)


class TestMeanwhile:
    """A charge that waits for its wallet takes the hold as it is when the wait is over."""

    async def test_promotional_money_that_came_into_the_hold_goes_first(self, database: Database, app_url: str) -> None:
        organization, hold, _ = await _wallet_with_holds(database)
        with _other(app_url) as other:
            other.calls("grant_credit", organization, "USD", 3_000_000, key(), "Welcome")
            other.calls("extend_hold", hold.id, 3_000_000, key())
            await _while_it_waits(database, lambda session: charge(session, hold.id, "4"), other)
        async with database.transaction() as session:
            assert await purse_of(session, organization) == Purse(wallet=17_000_000, wallet_held=7_000_000)
            await assert_books_are_sound(session)

    @pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside another"])
    async def test_a_hold_that_was_given_back_pays_nothing(
        self, database: Database, app_url: str, *, alone: bool
    ) -> None:
        organization, hold, beside = await _wallet_with_holds(database)
        with _other(app_url) as other:
            other.calls("release_hold", hold.id, key())
            if alone:
                other.calls("release_hold", beside.id, key())
            with pytest.raises(HoldExhausted, match="is closed"):
                await _while_it_waits(database, lambda session: charge(session, hold.id, "2"), other)
        async with database.transaction() as session:
            held = 0 if alone else 3_000_000
            assert await purse_of(session, organization) == Purse(wallet=18_000_000, wallet_held=held)
            await assert_books_are_sound(session)

    async def test_a_hold_that_was_used_pays_no_more_than_its_rest(self, database: Database, app_url: str) -> None:
        organization, hold, _ = await _wallet_with_holds(database)
        with _other(app_url) as other:
            other.calls("capture", hold.id, 4_000_000, False, "compute", key(), "Usage", "subject", "al_1", _NOW)
            with pytest.raises(HoldExhausted, match="has 1000000 left"):
                await _while_it_waits(database, lambda session: charge(session, hold.id, "2"), other)
        async with database.transaction() as session:
            assert await purse_of(session, organization) == Purse(wallet=14_000_000, wallet_held=4_000_000)
            await assert_books_are_sound(session)

    async def test_the_very_same_charge_is_made_once(self, database: Database, app_url: str) -> None:
        organization, hold, _ = await _wallet_with_holds(database)
        with _other(app_url) as other:
            made = other.calls("capture", hold.id, 2_000_000, False, "compute", "k", "Usage", "subject", "al_1", _NOW)
            again = await _while_it_waits(
                database, lambda session: charge(session, hold.id, "2", idempotency_key="k"), other
            )
        assert again == made
        async with database.transaction() as session:
            assert await purse_of(session, organization) == Purse(wallet=16_000_000, wallet_held=6_000_000)
            await assert_books_are_sound(session)

    async def test_a_wallet_that_was_opened_is_the_one(self, database: Database, app_url: str) -> None:
        async def opened(session: Session) -> Any:
            return (await session.execute(text("SELECT ledger.open_wallet('org_new', 'USD')"))).scalar_one()

        async with database.transaction() as session:
            await new_wallet(session, "20")
            await session.execute(text("SELECT ledger.open_wallet('org_new', 'EUR')"))
        with _other(app_url) as other:
            made = other.calls("open_wallet", "org_new", "USD")
            assert await _while_it_waits(database, opened, other) == made
