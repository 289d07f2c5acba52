"""What a payment was spent on: the oldest money first, as the lots have it."""

import pytest
from sqlalchemy import text

from sublet.core.db import Database, Session
from sublet.ledger import disputes, entries, purchases, refunds
from tests.ledger.books import key, new_wallet, top_up, usd
from tests.ledger.test_lots import lots, spend

pytestmark = pytest.mark.anyio


async def first_charge(session: Session, organization: str) -> str:
    """The charge of an organization's oldest payment."""
    found = await session.execute(
        text(
            "SELECT l.charge_id FROM ledger.topup_lot l JOIN ledger.wallet w ON w.id = l.wallet_id "
            "WHERE w.owner_id = :organization ORDER BY l.entry_id LIMIT 1"
        ),
        {"organization": organization},
    )
    return str(found.scalar_one())


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

    async def test_that_partly_went_back_pays_for_no_more_than_what_stayed(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            first = await spend(session, organization, "15")
            charge_id = await first_charge(session, organization)
            await refunds.begin(session, organization, usd("5"), charge_id=charge_id, refund_id=key("rf"), made=False)
            await top_up(session, organization, "30")
            second = await spend(session, organization, "16")
            assert await of_each(session, organization) == [[(first, "15.00", False)], [(second, "16.00", False)]]
            assert [spent for _, spent in await lots(session, organization)] == ["15.0", "16.0"]

    async def test_that_was_lost_to_the_card_holder_pays_no_debt_of_its_own(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            first = await spend(session, organization, "15")
            charge_id = await first_charge(session, organization)
            await disputes.lose(session, organization, usd("20"), charge_id=charge_id, dispute_id=key("dsp"))
            await top_up(session, organization, "30")
            [lost, [owed]] = await of_each(session, organization)
            assert lost == [(first, "15.00", False)]
            assert owed[1:] == ("15.00", True)
            assert [spent for _, spent in await lots(session, organization)] == ["15.0", "15.0"]

    async def test_did_not_pay_what_was_reversed(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "20")
            await entries.reverse(
                session, await spend(session, organization, "15"), idempotency_key=key(), reason="In error"
            )
            second = await spend(session, organization, "4")
            assert await of_each(session, organization) == [[(second, "4.00", False)]]
            assert [spent for _, spent in await lots(session, organization)] == ["4.0"]

    async def test_of_which_nothing_is_spent_paid_for_nothing(self, database: Database) -> None:
        async with database.transaction() as session:
            organization = await new_wallet(session, "10")
            assert await of_each(session, organization) == [[]]
            assert await purchases.paid_by(session, "ch_nobodys") == []
