"""What other domains read of the books: funds, what is set aside, what usage brought in."""

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.ledger import entries, holds
from tests.ledger.books import charge, charge_together, grant, key, new_hold, new_wallet, usd

pytestmark = pytest.mark.anyio


async def _funds(session: Session, organization: str) -> int:
    """What an organization could spend in all, in micro-units."""
    found = await session.execute(
        text("SELECT total FROM ledger.funds WHERE owner_id = :organization"), {"organization": organization}
    )
    return int(found.scalar_one())


async def _withheld(session: Session, organization: str, amount: str) -> holds.Hold:
    return await holds.withhold(session, organization, usd(amount), subject_id=key("tu"), idempotency_key=key())


class TestFunds:
    async def test_are_the_wallet_and_promotional_money_with_what_is_held_to_be_spent(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await grant(session, organization, "3")
            hold = await new_hold(session, organization, "5")
            assert await _funds(session, organization) == 23_000_000
            await charge(session, hold.id, "1")
            assert await _funds(session, organization) == 22_000_000

    async def test_are_less_by_what_is_owed(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            hold = await new_hold(session, organization, "1")
            await charge(session, hold.id, "3.5", overrun=True)
            assert await _funds(session, organization) == -2_500_000
            await grant(session, organization, "4")
            assert await _funds(session, organization) == 1_500_000

    async def test_are_less_by_what_is_still_withheld_of_them(self, database: Database) -> None:
        async with database.transaction() as session:
            organization, other = await new_wallet(session, "20"), await new_wallet(session, "20")
            withheld = await _withheld(session, organization, "5")
            await _withheld(session, other, "7")
            assert await _funds(session, organization) == 15_000_000
            await holds.release(session, withheld.id, idempotency_key=key())
            assert await _funds(session, organization) == 20_000_000

    async def test_keep_promotional_money_where_what_was_paid_in_is_withheld(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await grant(session, organization, "3")
            await _withheld(session, organization, "19")
            held = text(
                "SELECT kind, held FROM ledger.balance JOIN ledger.account a ON a.id = account_id WHERE held > 0"
            )
            assert [tuple(row) for row in await session.execute(held)] == [("wallet", 19_000_000)]
            await _withheld(session, organization, "2")
            by_kind = {row.kind: row.held for row in await session.execute(held)}
            assert by_kind == {"wallet": 20_000_000, "promo": 1_000_000}

    async def test_have_again_what_was_given_back_of_what_was_withheld(
        self, database: Database, owner_url: str
    ) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await _withheld(session, organization, "5")
        with psycopg.connect(owner_url, autocommit=True) as owner:  # nothing gives a part back yet
            owner.execute("UPDATE ledger.hold SET released = 1000000")
        async with database.reading() as session:
            assert await _funds(session, organization) == 16_000_000


class TestOpenHolds:
    async def test_have_what_was_neither_charged_nor_given_back(self, database: Database, owner_url: str) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold, closed = await new_hold(session, organization, "5"), await new_hold(session, organization, "5")
            await charge(session, hold.id, "2")
            await holds.release(session, closed.id, idempotency_key=key())
        with psycopg.connect(owner_url, autocommit=True) as owner:  # nothing gives a part back yet
            owner.execute("UPDATE ledger.hold SET released = 1000000 WHERE NOT closed")
        async with database.reading() as session:
            found = (await session.execute(text("SELECT id, amount, rest FROM ledger.open_hold"))).all()
        assert [tuple(row) for row in found] == [(hold.id, 5_000_000, 2_000_000)]


class TestUsageRevenue:
    async def test_is_what_charges_brought_in_and_nothing_else(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            hold = await new_hold(session, organization, "5")
            one = await charge(session, hold.id, "2")
            many = (await charge_together(session, {hold.id: "1"}, meter_kind="storage"))[hold.id]
            await grant(session, organization, "3")
            await entries.reverse(session, one, idempotency_key=key(), reason="In error")
            found = await session.execute(text("SELECT * FROM ledger.usage_revenue ORDER BY entry_id"))
        assert [tuple(row) for row in found] == [
            (one, "compute", "USD", 2_000_000),
            (many, "storage", "USD", 1_000_000),
        ]


class TestUsagePayers:
    async def test_are_who_paid_or_owes_for_usage_and_nothing_else(self, database: Database) -> None:
        async with database.transaction() as session:
            first, second = await new_wallet(session, "20"), await new_wallet(session, "1")
            one = await charge(session, (await new_hold(session, first, "5")).id, "2")
            owed = await charge(session, (await new_hold(session, second, "1")).id, "3", overrun=True)
            await grant(session, first, "3")
            await entries.reverse(session, one, idempotency_key=key(), reason="In error")
            found = await session.execute(text("SELECT * FROM ledger.usage_payer ORDER BY entry_id"))
        assert [tuple(row) for row in found] == [(one, first, "USD", 2_000_000), (owed, second, "USD", 3_000_000)]
