"""What was asked for, what arrived and what was taken back: the application's own role may not tell it otherwise."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from tests.payments.refunds import paid
from tests.payments.shop import Shop

pytestmark = pytest.mark.anyio

ARRIVED = "state = 'succeeded', completed_at = now(), payment_intent_id = 'pi_1', charge_id = 'ch_1'"


async def partly_spent(shop: Shop) -> None:
    """A top-up of 20.00 of which 5.00 was taken back, with 2.00 still there to be set aside."""
    await paid(shop)
    await change(shop, "taken_back = 5000000, taken_aside = 2000000")  # as earlier releases noted it
    (row,) = await shop.rows("SELECT fee, credited, taken_back, taken_aside, taken_settled FROM top_up")
    assert row.fee is not None
    assert (row.credited, row.taken_back, row.taken_aside, row.taken_settled) == (20_000_000, 5_000_000, 2_000_000, 0)


async def change(shop: Shop, what: str) -> None:
    async with shop.database.transaction() as session:
        await session.execute(text(f"UPDATE top_up SET {what}"))


class TestATopUp:
    @pytest.mark.parametrize(
        "what",
        [
            "amount = amount * 100",
            "currency = 'JPY'",
            "organization_id = 'org_other'",
            "requested_by = 'usr_other'",
            "request_key = 'other'",
            "installation_id = NULL",
            "created_at = now()",
        ],
    )
    async def test_stays_as_it_was_asked_for(self, shop: Shop, what: str) -> None:
        await shop.top_up(await shop.organization())
        with pytest.raises(ProgrammingError, match="permission denied"):
            await change(shop, what)

    async def test_keeps_what_arrived_and_what_was_taken_back(self, shop: Shop) -> None:
        await partly_spent(shop)
        for what in (
            "credited = credited + 1",
            "credited = NULL",
            "payment_intent_id = 'pi_other'",
            "charge_id = 'ch_other'",
            "fee = fee + 1",
            "balance_transaction_id = 'txn_other'",
            "taken_back = taken_back - 1",
            "taken_aside = taken_aside - 1",
        ):
            with pytest.raises(IntegrityError, match="append-only"):
                await change(shop, what)

    async def test_is_credited_by_arriving_alone(self, shop: Shop) -> None:
        await shop.top_up(await shop.organization())
        await change(shop, ARRIVED)
        with pytest.raises(IntegrityError, match="append-only"):
            await change(shop, "credited = 999000000")

    async def test_is_settled_only_of_what_was_spent_when_more_is_taken_back(self, shop: Shop) -> None:
        await partly_spent(shop)
        for what in (
            "taken_settled = taken_back - taken_aside",
            "taken_settled = taken_back - taken_aside - 1, taken_back = taken_back + 1",
            "taken_settled = taken_back - taken_aside + 1, taken_back = taken_back + 1",
        ):
            with pytest.raises(IntegrityError, match="append-only"):
                await change(shop, what)
        await change(shop, "taken_settled = taken_back - taken_aside, taken_back = taken_back + 1")
        with pytest.raises(IntegrityError, match="append-only"):
            await change(shop, "taken_settled = 0, taken_back = taken_back + 1")

    async def test_is_not_settled_beyond_what_was_taken_back(self, shop: Shop) -> None:
        await partly_spent(shop)
        with pytest.raises(IntegrityError, match="top_up_taken_settled_check"):
            await change(
                shop,
                "taken_settled = taken_back - taken_aside, taken_back = taken_back + 1, taken_aside = taken_back",
            )
