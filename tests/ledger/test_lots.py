"""Of several card payments in a wallet, the oldest is spent first; what is spent of each is known at any time."""

import psycopg
import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.ledger import charges, credits, entries, holds, wallets
from tests.ledger.books import key, new_hold, new_wallet, top_up, usd

pytestmark = pytest.mark.anyio


async def spend(session: Session, organization: str, amount: str) -> int:
    """Charge so much, more than is there if need be; the entry's id."""
    hold = await new_hold(session, organization, "0.01")
    charged = await charges.capture(
        session,
        hold.id,
        usd(amount),
        meter_kind="compute",
        source_type="subject",
        source_id="al_1",
        idempotency_key=key(),
        description="Usage",
        overrun=True,
    )
    await holds.release(session, hold.id, idempotency_key=key())
    return charged.id


async def lots(session: Session, organization: str) -> list[tuple[str, str]]:
    """What each payment was, and how much of it is spent, the oldest first."""
    rows = await session.execute(
        text(
            "SELECT l.paid, c.consumed FROM ledger.wallet w JOIN ledger.balance b ON b.account_id = w.id "
            "CROSS JOIN ledger.spent_of_lots(w.id, b.balance) c JOIN ledger.topup_lot l ON l.charge_id = c.charge_id "
            "WHERE w.owner_id = :organization ORDER BY l.entry_id"
        ),
        {"organization": organization},
    )
    return [(str(row.paid / 1_000_000), str(row.consumed / 1_000_000)) for row in rows]


class TestLots:
    async def test_the_oldest_payment_is_spent_first(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            await top_up(session, organization, "20")
            await spend(session, organization, "4")
            assert await lots(session, organization) == [("10.0", "4.0"), ("20.0", "0.0")]
            await top_up(session, organization, "5")
            await spend(session, organization, "9")
            assert await lots(session, organization) == [("10.0", "10.0"), ("20.0", "3.0"), ("5.0", "0.0")]
            await spend(session, organization, "18")
            assert [consumed for _, consumed in await lots(session, organization)] == ["10.0", "20.0", "1.0"]

    async def test_what_was_owed_is_spent_of_the_payment_that_clears_it(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            await spend(session, organization, "4")
            await top_up(session, organization, "10")
            assert await lots(session, organization) == [("1.0", "1.0"), ("10.0", "3.0")]
            await spend(session, organization, "2")
            assert await lots(session, organization) == [("1.0", "1.0"), ("10.0", "5.0")]

    async def test_promotional_money_is_in_no_lot(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            await credits.grant(session, organization, usd("3"), idempotency_key=key(), reason="Welcome")
            await spend(session, organization, "4")
            assert (await wallets.wallet(session, organization, currency="USD")).balance == usd("9")
            assert await lots(session, organization) == [("10.0", "1.0")]

    async def test_a_charge_taken_back_was_not_spent(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            entry = await spend(session, organization, "4")
            await top_up(session, organization, "1")
            await entries.reverse(session, entry, idempotency_key=key(), reason="In error")
            assert [consumed for _, consumed in await lots(session, organization)] == ["0.0", "0.0"]

    async def test_other_wallets_are_left_alone(self, database: Database) -> None:
        async with database.transaction() as session:
            organization, other = await new_wallet(session, "10"), await new_wallet(session, "10")
            await spend(session, other, "6")
            await spend(session, organization, "4")
            assert await lots(session, other) == [("10.0", "6.0")]
            assert await lots(session, organization) == [("10.0", "4.0")]

    @pytest.mark.parametrize("gone", ["refunded", "disputed"])
    async def test_what_went_back_was_not_spent(self, database: Database, owner_url: str, gone: str) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            await top_up(session, organization, "20")
            await spend(session, organization, "4")
        with psycopg.connect(owner_url, autocommit=True) as owner:  # nothing gives a part back yet
            owner.execute(f"UPDATE ledger.topup_lot SET {gone} = 4000000 WHERE paid = 10000000")
        async with database.transaction() as session:
            assert [consumed for _, consumed in await lots(session, organization)] == ["0.0", "0.0"]

    async def test_a_charge_writes_to_none(self, database: Database) -> None:
        """A payment's row is written when it comes and when money goes back to its card, and by nothing else."""
        version = text("SELECT xmin::text, ctid::text FROM ledger.topup_lot ORDER BY charge_id")
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            await top_up(session, organization, "20")
        async with database.transaction() as session:
            before = (await session.execute(version)).all()
            entry = await spend(session, organization, "12")
            await entries.reverse(session, entry, idempotency_key=key(), reason="In error")
            await credits.grant(session, organization, usd("3"), idempotency_key=key(), reason="Welcome")
            assert (await session.execute(version)).all() == before
