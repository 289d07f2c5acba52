"""What a payment was spent on: the oldest money first, as the lots have it."""

import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.ledger import purchases
from tests.ledger.books import new_wallet, top_up
from tests.ledger.test_lots import lots, spend

pytestmark = pytest.mark.anyio


async def of_each(session: Session, organization: str) -> list[list[tuple[int, str, bool]]]:
    """What each payment of an organization was spent on: entry, how much, and whether it was owed; the oldest first."""
    rows = await session.execute(
        text(
            "SELECT l.charge_id FROM ledger.topup_lot l JOIN ledger.wallet w ON w.id = l.wallet_id "
            "WHERE w.owner_id = :organization ORDER BY l.entry_id"
        ),
        {"organization": organization},
    )
    found = []
    for charge_id in rows.scalars():
        paid = await purchases.paid_by(session, charge_id)
        found.append([(one.entry_id, one.amount.decimal_string(), one.owed) for one in paid])
    return found


class TestAPayment:
    async def test_pays_what_the_older_ones_did_not(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            await top_up(session, organization, "20")
            first = await spend(session, organization, "6")
            second = await spend(session, organization, "7")
            assert await of_each(session, organization) == [
                [(first, "6.00", False), (second, "4.00", False)],
                [(second, "3.00", False)],
            ]
            assert await lots(session, organization) == [("10.0", "10.0"), ("20.0", "3.0")]

    async def test_that_clears_a_debt_says_so(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            first = await spend(session, organization, "14")
            await top_up(session, organization, "20")
            second = await spend(session, organization, "1")
            [before, [owed, after]] = await of_each(session, organization)
            assert before == [(first, "10.00", False)]
            assert (owed[1:], after) == (("4.00", True), (second, "1.00", False))

    async def test_of_which_nothing_is_spent_paid_for_nothing(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            assert await of_each(session, organization) == [[]]
            assert await purchases.paid_by(session, "ch_nobodys") == []
