"""A payment that its card's issuer warns of is for a person to look at, whether an event told of it or not."""

import pytest

from sublet.core.money import Money
from sublet.payments.stripe import fraud_warnings
from tests.payments.account import mirror
from tests.payments.refunds import open_findings, paid
from tests.payments.shop import Shop

pytestmark = pytest.mark.anyio

TOLD = "SELECT data, organization_id FROM outbox_event WHERE type = 'payments.fraud_warned'"


async def warn(shop: Shop, top_up_id: str) -> str:
    """The issuer warns of it; the warning."""
    (row,) = await shop.rows("SELECT charge_id FROM top_up WHERE id = :id", id=top_up_id)
    made = await shop.control("POST", "early-fraud-warnings", {"charge": row.charge_id})
    return str(made["id"])


async def test_is_found_with_what_is_at_stake_and_told_once_to_operators(shop: Shop) -> None:
    organization, top_up_id = await paid(shop)
    warning = await warn(shop, top_up_id)
    for _ in range(2):
        await mirror(shop)  # no event was delivered: it is found at the processor
    [found] = await open_findings(shop, fraud_warnings.CODE)
    assert (found.subject_id, found.at_stake) == (top_up_id, [Money.parse("20.00", "USD")])
    assert found.detail == {"organization_id": organization, "warning": warning}
    [told] = await shop.rows(TOLD)
    assert (told.organization_id, told.data["top_up_id"], told.data["customer_id"]) == (None, top_up_id, organization)
    rows = await shop.rows("SELECT outcome FROM stripe_event WHERE object_id = :id", id=warning)
    assert [row.outcome for row in rows] == ["applied"]
    assert await shop.balance(organization) == "20.00", "nothing is done by itself"


async def test_of_a_payment_of_somebody_else_is_theirs(shop: Shop) -> None:
    params = {"amount": 700, "currency": "usd", "payment_method": "pm_card_createIssuerFraudRecord", "confirm": True}
    theirs = shop.sandbox.client().v1.payment_intents.create(params)  # type: ignore[arg-type]  # built by hand
    await mirror(shop)
    assert await open_findings(shop, fraud_warnings.CODE) == []
    asked = "SELECT outcome FROM stripe_event WHERE payment_intent_id = :id AND type LIKE 'radar%'"
    rows = await shop.rows(asked, id=theirs.id)
    assert [row.outcome for row in rows] == ["ignored"]
