"""Lots as rows: what each holds, and what nobody may change about them."""

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.ledger import adjustments, credits, entries
from sublet.ledger.failures import LedgerRefused
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.ledger.books import (
    assert_books_are_sound,
    charge,
    grant,
    key,
    lot_of,
    new_hold,
    new_wallet,
    usd,
)
from tests.ledger.lots import AN_HOUR, in_an_hour, in_days, left
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


class TestLots:
    async def test_of_a_credit_are_taken_back_with_it(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await grant(session, organization, "1", expires_at=await in_days(session, 1))
            entry = await grant(session, organization, "2")
            await entries.reverse(session, entry, idempotency_key=key(), reason="In error")
            assert await left(session, organization) == ["1", "0"]
            await assert_books_are_sound(session)

    async def test_that_expired_are_not_taken_back(self, database: Database, clock: Clock) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await grant(session, organization, "5")
            moment = await in_an_hour(session)
            entry = await grant(session, organization, "2", expires_at=moment)
            clock.later(2 * AN_HOUR)
            await credits.expire(session, await lot_of(session, entry), organization_id=organization, currency="USD")
        with pytest.raises(LedgerRefused, match="its credit has expired"):
            async with database.transaction() as session:
                await entries.reverse(session, entry, idempotency_key=key(), reason="In error")

    async def test_of_promotional_money_that_comes_back_do_not_expire(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await grant(session, organization, "2", expires_at=await in_days(session, 1))
            used = await charge(session, (await new_hold(session, organization, "2")).id, "2")
            await entries.reverse(session, used, idempotency_key=key(), reason="In error")
            made = {"adjustment_id": key(), "approval_id": None, "reason": "Sorry"}
            await adjustments.adjust(session, organization, usd("3"), given=True, **made)
            await credits.serve(
                session, organization, usd("1"), idempotency_key=key(), reason="Lost time", source_id="al"
            )
            assert await left(session, organization) == ["0", "2", "3", "1"]
            kept = text(
                "SELECT count(*) FROM ledger.promo_lot l JOIN ledger.wallet w ON w.id = l.wallet_id "
                "WHERE w.owner_id = :organization AND l.expires_at IS NULL"
            )
            assert (await session.execute(kept, {"organization": organization})).scalar_one() == 3
            await assert_books_are_sound(session)

    async def test_that_expire_before_they_are_given_are_refused(self, database: Database) -> None:
        with pytest.raises(LedgerRefused, match="before it is given"):
            async with database.transaction() as session:
                await grant(session, await new_wallet(session), "1", expires_at=await in_days(session, -1))

    async def test_of_one_key_are_one(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            expires_at = await in_days(session, 1)
            for _ in range(2):
                await grant(session, organization, "1", idempotency_key="once", expires_at=expires_at)
            assert await left(session, organization) == ["1"]

    @pytest.mark.parametrize(
        "change",
        [
            "rest = rest + 1",
            "amount = amount + 1",
            "expired = expired - 1",
            "expires_at = NULL",
            "expires_at = expires_at + interval '1 day'",
            "entry_id = NULL",
            "wallet_id = (SELECT min(id) FROM ledger.wallet)",
        ],
    )
    async def test_only_become_less(self, database: Database, clock: Clock, owner_url: str, change: str) -> None:
        """Nobody gives a lot more money, or more time: not the owner of the database either."""
        async with database.transaction() as session:
            await new_wallet(session)
            organization = await new_wallet(session)
            moment = await in_an_hour(session)
            lot = await lot_of(session, await grant(session, organization, "2", expires_at=moment))
            clock.later(2 * AN_HOUR)
            await credits.expire(session, lot, organization_id=organization, currency="USD")
        with psycopg.connect(owner_url) as owner, pytest.raises(psycopg.DatabaseError, match="of a lot, only") as told:
            owner.execute(f"UPDATE ledger.promo_lot SET {change} WHERE id = %s", (lot,))
        assert told.value.sqlstate == "SL004"

    @pytest.mark.parametrize("change", ["DELETE FROM", "TRUNCATE"])
    async def test_stay(self, database: Database, owner_url: str, change: str) -> None:
        async with database.transaction() as session:
            await grant(session, await new_wallet(session), "2")
        with psycopg.connect(owner_url) as owner, pytest.raises(psycopg.DatabaseError, match="append-only"):
            owner.execute(f"{change} ledger.promo_lot")
