"""What may be reversed, once, and what never is."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.db import Database, Session
from sublet.core.errors import IdempotencyKeyReused
from sublet.ledger import credits, entries, top_ups, wallets
from sublet.ledger.failures import InsufficientFunds, LedgerRefused
from tests.ledger.books import assert_books_are_sound, key, new_wallet, usd

pytestmark = pytest.mark.anyio


async def credited(session: Session, organization: str, amount: str = "3") -> int:
    """A promotional credit, which is the simplest entry that can be reversed."""
    return (await credits.grant(session, organization, usd(amount), idempotency_key=key(), reason="Welcome")).id


async def reversed_once(session: Session, entry_id: int) -> int:
    """The entry that reverses another."""
    return (await entries.reverse(session, entry_id, idempotency_key=key(), reason="In error")).id


class TestReversing:
    async def test_names_the_entry_that_it_takes_back(self, database: Database) -> None:
        async with database.transaction() as session:
            entry = await credited(session, await new_wallet(session))
            reversal = await reversed_once(session, entry)
            row = await session.execute(
                text("SELECT kind, reverses_entry_id FROM ledger.ledger_entry WHERE id = :id"), {"id": reversal}
            )
            await assert_books_are_sound(session)
            assert tuple(row.one()) == ("reversal", entry)

    async def test_a_reversal_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            reversal = await reversed_once(session, await credited(session, organization))
        with pytest.raises(LedgerRefused, match="cannot be reversed"):
            async with database.transaction() as session:
                await reversed_once(session, reversal)
        async with database.reading() as session:
            assert (await wallets.wallet(session, organization, currency="USD")).promo == usd("0")

    async def test_a_card_payment_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            entry = (await entries.list_for(session, organization, limit=1, currency="USD"))[0].entry.id
        with pytest.raises(LedgerRefused, match="cannot be reversed"):
            async with database.transaction() as session:
                await reversed_once(session, entry)

    async def test_a_processing_fee_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
            fee = await top_ups.post_fee(session, usd("0.88"), transaction_id=key("txn"), source_id="tu_1")
        with pytest.raises(LedgerRefused, match="cannot be reversed"):
            async with database.transaction() as session:
                await reversed_once(session, fee.id)

    async def test_what_is_not_there_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
        with pytest.raises(LedgerRefused, match="cannot be reversed"):
            async with database.transaction() as session:
                await reversed_once(session, 999_999)

    async def test_the_same_entry_a_second_time_under_another_key_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            await credited(session, organization, "5")
            entry = await credited(session, organization)
            await reversed_once(session, entry)
        with pytest.raises(IntegrityError, match="reverses_entry_id"):
            async with database.transaction() as session:
                await reversed_once(session, entry)
        async with database.reading() as session:
            assert (await wallets.wallet(session, organization, currency="USD")).promo == usd("5")

    async def test_another_entry_under_the_same_key_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            first, second = await credited(session, organization), await credited(session, organization)
            await entries.reverse(session, first, idempotency_key="undo", reason="In error")
        with pytest.raises(IdempotencyKeyReused):
            async with database.transaction() as session:
                await entries.reverse(session, second, idempotency_key="undo", reason="In error")

    async def test_what_has_been_spent_since_is_refused(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session)
            entry = await credited(session, organization)
            await session.execute(
                text("SELECT ledger.place_hold(:o, 'USD', 3000000::bigint, 'al_x', 'spending', :k)"),
                {"o": organization, "k": key()},
            )
        with pytest.raises(InsufficientFunds):
            async with database.transaction() as session:
                await reversed_once(session, entry)
