"""Which accounts each event moves: debit is negative, credit positive."""

import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.core.money import Money
from sublet.ledger import charges, credits, entries, top_ups
from sublet.ledger.entries import LedgerEntry
from tests.ledger.books import key, new_hold, new_wallet, top_up, usd

pytestmark = pytest.mark.anyio

_LINES = text(
    """
    SELECT a.kind, p.amount FROM ledger.posting p JOIN ledger.account a ON a.id = p.account_id
     WHERE p.entry_id = (SELECT max(id) FROM ledger.ledger_entry)
    """
)


async def _last_lines(session: Session) -> dict[str, Money]:
    """The lines of the newest entry."""
    return {row.kind: Money(row.amount, "USD") for row in await session.execute(_LINES)}


async def _charge(session: Session, hold_id: int, amount: str, *, overrun: bool = False) -> LedgerEntry:
    return await charges.capture(
        session,
        hold_id,
        usd(amount),
        meter_kind="compute",
        source_type="subject",
        source_id="al_1",
        idempotency_key=key(),
        description="Usage",
        overrun=overrun,
    )


class TestPostings:
    async def test_of_a_top_up_and_its_fee(self, database: Database) -> None:
        async with database.transaction() as session:
            await new_wallet(session, "20")
            assert await _last_lines(session) == {"stripe_balance": usd("-20"), "wallet": usd("20")}
            await top_ups.post_fee(session, usd("0.88"), transaction_id=key("txn"), source_id="tu_1")
            assert await _last_lines(session) == {"stripe_fees": usd("-0.88"), "stripe_balance": usd("0.88")}

    async def test_of_a_top_up_that_clears_what_is_owed(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "1")
            hold = await new_hold(session, organization, "1")
            await _charge(session, hold.id, "3", overrun=True)
            await top_up(session, organization, "5")
            lines = await _last_lines(session)
        assert lines == {"stripe_balance": usd("-5"), "receivable": usd("2"), "wallet": usd("3")}

    async def test_of_usage_from_promotional_money_wallet_and_receivable(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "4")
            await credits.grant(session, organization, usd("1"), idempotency_key=key(), reason="Welcome")
            assert await _last_lines(session) == {"promo_expense": usd("-1"), "promo": usd("1")}
            hold = await new_hold(session, organization, "3")
            await _charge(session, hold.id, "2")
            assert await _last_lines(session) == {
                "promo": usd("-1"),
                "wallet": usd("-1"),
                "revenue_compute": usd("2"),
            }
            entry = await _charge(session, hold.id, "5", overrun=True)
            overrun = {"wallet": usd("-3"), "receivable": usd("-2"), "revenue_compute": usd("5")}
            assert await _last_lines(session) == overrun
            await entries.reverse(session, entry.id, idempotency_key=key(), reason="Charged in error")
            assert await _last_lines(session) == {kind: -amount for kind, amount in overrun.items()}
