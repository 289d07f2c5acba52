"""The fake API's routes of payouts: one that is at the bank, and what it is made of."""

from typing import Any

from tests.client.fake_admin_routes import only_operators
from tests.client.fake_routes import Answer, Asked, page, route
from tests.client.fake_shapes import at, usd

PAYOUT: dict[str, Any] = {
    "id": "po_0000000000000001",
    "processor_id": "po_1QvT",
    "amount": usd("19.12"),
    "automatic": True,
    "state": "paid",
    "arrives_on": at(3600),
    "failure": None,
    "created_at": at(90_000),
    "ended_at": at(3600),
    "left": usd("19.12"),
    "made_of": usd("18.12"),
    "off_by": usd("1"),
}
CHANGES = [
    {"previous": "created", "next": "in_transit", "reason": "the processor says in_transit", "at": at(80_000)},
    {"previous": "in_transit", "next": "paid", "reason": "the processor says paid", "at": at(3600)},
]
CHARGE = {
    "id": "txn_1QvT",
    "type": "charge",
    "amount": usd("20"),
    "fee": usd("0.88"),
    "net": usd("19.12"),
    "source": "ch_1QvT",
    "whose": "ours",
    "created_at": at(100_000),
}


@route("GET", "/admin/payouts")
def payouts(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, [PAYOUT] if asked.query.get("state", "paid") == "paid" else [])


@route("GET", "/admin/payouts/{id}")
def payout(asked: Asked) -> Answer:
    only_operators(asked)
    return 200, PAYOUT | {"history": CHANGES}


@route("GET", "/admin/payouts/{id}/transactions")
def transactions(asked: Asked) -> Answer:
    only_operators(asked)
    return page(asked, [CHARGE])
