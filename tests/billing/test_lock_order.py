"""What changes many wallets in more steps than one locks them in the order that everybody keeps: no circle of waits."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from sublet.billing import extension, settlement
from sublet.core.db import Database, Session
from sublet.ledger import holds
from tests.billing.usage import EAGER, POLICY, Subject, new_running, new_subject, observe_until
from tests.ledger.books import key, usd
from tests.support.locks import until_somebody_waits
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

_LOCK = "SELECT 1 FROM ledger.balance WHERE account_id = %s FOR NO KEY UPDATE NOWAIT"
_WALLET = text("SELECT wallet_id FROM ledger.hold WHERE id = :hold_id")


@pytest.fixture
def other(owner_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else, in the middle of a transaction."""
    with psycopg.connect(owner_url) as connection:
        yield connection
        connection.rollback()


async def _wallet_of(database: Database, subject: Subject) -> int:
    async with database.reading() as session:
        return int((await session.execute(_WALLET, {"hold_id": subject.hold_id})).scalar_one())


async def _waits_for_the_first_and_holds_not_the_second(
    database: Database,
    other: psycopg.Connection[Any],
    subjects: tuple[Subject, Subject],
    work: Callable[[Session], Awaitable[object]],
) -> None:
    """While somebody else has the wallet with the lower id, the work has not taken the one with the higher."""
    lower, higher = sorted([await _wallet_of(database, subject) for subject in subjects])

    async def in_a_transaction() -> None:
        async with database.transaction() as session:
            await work(session)

    other.execute(_LOCK, [lower])
    at_work = asyncio.create_task(in_a_transaction())
    await until_somebody_waits(database)
    other.execute(_LOCK, [higher])  # NOWAIT: refused if the work has it
    other.rollback()
    await at_work


class TestFittingHolds:
    async def test_locks_those_that_shrink_and_those_that_grow_together(
        self, database: Database, other: psycopg.Connection[Any]
    ) -> None:
        async with database.transaction() as session:
            short = await new_running(session, "20")
            ample = await new_running(session, "20")
            await holds.extend(session, ample.hold_id, usd("15"), idempotency_key=key())
        unfit = [short.id, ample.id]
        await _waits_for_the_first_and_holds_not_the_second(
            database, other, (short, ample), lambda session: extension.fit_holds(session, unfit, policy=POLICY)
        )


class TestSettling:
    async def test_singly_locks_the_wallets_of_all_before_the_first(
        self, database: Database, other: psycopg.Connection[Any]
    ) -> None:
        async with database.transaction() as session:
            subjects = [await new_subject(session, policy=EAGER, started_ago=1000, held=usd("5")) for _ in range(2)]
            for subject in subjects:
                await observe_until(session, subject, 600)
        first, second = subjects
        # In the order of their names the wallet with the higher id would come first.
        names = [second.id, first.id] if first.id < second.id else [first.id, second.id]
        await _waits_for_the_first_and_holds_not_the_second(
            database,
            other,
            (first, second),
            lambda session: settlement.settle_singly(session, names, policy=DEFAULT_POLICY),
        )
