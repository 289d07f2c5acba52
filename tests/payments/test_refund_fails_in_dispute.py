"""A refund that fails after it had succeeded, of a payment that is disputed too: the end is the same in any order."""

from typing import Any

import pytest

from tests.payments.refunds import all_open, available, books, dispute, funds, paid, send
from tests.payments.shop import Shop
from tests.payments.test_disputes import are_stopped, decide, sound
from tests.payments.working import look_at

pytestmark = pytest.mark.anyio

ORDERS = [("fails", "opens", "is decided"), ("opens", "fails", "is decided"), ("opens", "is decided", "fails")]


async def fail(shop: Shop, refund_id: str, top_up_id: str) -> None:
    """The card's bank sends the money of a refund back."""
    (row,) = await shop.rows("SELECT processor_id FROM refund WHERE id = :id", id=refund_id)
    await shop.control("POST", f"refunds/{row.processor_id}", {"status": "failed"})
    await look_at(shop, top_up_id)


async def refundable(shop: Shop, top_up_id: str) -> int:
    """What of the payment can go back to its card, in micro-units."""
    (row,) = await shop.rows("SELECT ledger.refundable(charge_id) AS micro FROM top_up WHERE id = :id", id=top_up_id)
    return int(row.micro)


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
@pytest.mark.parametrize(
    ("amount", "cents", "decision", "left"),
    [
        ("20.00", 2000, "lost", "0.00"),
        ("20.00", 2000, "won", "20.00"),
        ("8.00", 2000, "lost", "0.00"),
        ("8.00", 2000, "won", "20.00"),
        ("8.00", 1200, "lost", "8.00"),
        ("8.00", 1200, "won", "20.00"),
    ],
)
async def test_leaves_the_same_in_any_order(
    shop: Shop, order: tuple[str, ...], amount: str, cents: int, decision: str, left: str
) -> None:
    organization, top_up_id = await paid(shop)
    sent = await send(shop, top_up_id, amount)
    assert sent["state"] == "succeeded"
    most = 20.0
    for step in order:
        if step == "fails":
            await fail(shop, sent["id"], top_up_id)
        elif step == "opens":
            await dispute(shop, top_up_id, amount=cents)
            await look_at(shop, top_up_id)
            most = 20.0 - cents / 100
        else:
            await decide(shop, top_up_id, decision)
            most = 20.0 if decision == "won" else 20.0 - cents / 100
        assert float(await available(shop, organization)) <= most, "what is disputed is never spendable"
    assert await available(shop, organization) == left
    assert await funds(shop, organization) == round(float(left) * 1_000_000), "nothing is owed, nothing kept aside"
    assert await refundable(shop, top_up_id) == round(float(left) * 1_000_000)
    assert not await are_stopped(shop, organization)
    assert await all_open(shop) == []
    touched: dict[str, Any] = await books(shop, organization)
    assert touched.keys() - {"wallet"} == {"stripe_balance", "stripe_fees", "dispute_fees"}
    assert touched.get("wallet", "0.00") == left
    await sound(shop)
