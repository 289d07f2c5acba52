"""What went back is held against the entries: a planted fault is found, and nothing else is."""

import psycopg
import pytest

from sublet.payments import checks
from tests.payments.refunds import dispute, paid, refund, send
from tests.payments.shop import Shop
from tests.payments.working import look_at

pytestmark = pytest.mark.anyio


async def found(shop: Shop) -> list[str]:
    """The codes of what the checks find."""
    async with shop.database.transaction() as session:
        return [one.check.code for one in await checks.run(session) if not one.ok]


async def went_back(shop: Shop) -> None:
    """Two refunds and a dispute of a payment."""
    _, top_up_id = await paid(shop)
    await send(shop, top_up_id, "5.00")
    await refund(shop, top_up_id, 100)
    await dispute(shop, top_up_id, amount=150)
    await look_at(shop, top_up_id)


class TestWhatWentBack:
    @pytest.mark.parametrize(
        ("planted", "code"),
        [
            ("UPDATE dispute SET taken = taken + 1", "payments.dispute_against_entries"),
            ("UPDATE dispute SET charged = 1", "payments.dispute_against_entries"),
            ("UPDATE refund SET amount = amount + 1 WHERE origin = 'operator'", "payments.refund_against_entries"),
            ("UPDATE refund SET state = 'failed' WHERE origin = 'operator'", "payments.refund_against_entries"),
            (
                "ALTER TABLE refund_history DISABLE TRIGGER ALL; ALTER TABLE refund DISABLE TRIGGER ALL; "
                "DELETE FROM refund_history; DELETE FROM refund",
                "payments.refund_against_entries",
            ),
            (
                "ALTER TABLE dispute_history DISABLE TRIGGER ALL; ALTER TABLE dispute DISABLE TRIGGER ALL; "
                "DELETE FROM dispute_history; DELETE FROM dispute",
                "payments.dispute_against_entries",
            ),
        ],
    )
    async def test_otherwise_than_posted_is_found(self, shop: Shop, owner_url: str, planted: str, code: str) -> None:
        await went_back(shop)
        assert await found(shop) == []
        with psycopg.connect(owner_url) as owner:
            owner.execute(planted)  # type: ignore[arg-type]  # constants of tests
        assert await found(shop) == [code]
