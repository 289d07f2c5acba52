"""A card that expires is announced in the month before its last one and in that, each once."""

import psycopg
import pytest

from sublet.payments.cards import expiry
from tests.payments.cards import customer, save_card
from tests.payments.shop import Shop

pytestmark = pytest.mark.anyio


async def expires_in(shop: Shop, owner_url: str, months: int) -> None:
    """Let every card have its last month so many months from the present one of the books."""
    (row,) = await shop.rows("SELECT month FROM ledger.present_month")
    year, month = divmod(int(row.month[:4]) * 12 + int(row.month[5:]) - 1 + months, 12)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("UPDATE saved_card SET expiry_year = %s, expiry_month = %s", [year, month + 1])


async def tell(shop: Shop) -> int:
    async with shop.database.transaction() as session:
        return await expiry.tell(session)


async def told(shop: Shop) -> list[tuple[int, bool]]:
    """What was announced, in order: how many months before, and whether auto top-up charges the card."""
    rows = await shop.rows("SELECT data FROM outbox_event WHERE type = 'card.expiring' ORDER BY id")
    return [(row.data["months"], row.data["tops_up"]) for row in rows]


class TestACardThatExpires:
    async def test_is_announced_the_month_before_and_in_its_last_one(self, shop: Shop, owner_url: str) -> None:
        organization = await customer(shop)
        for months, heard in ((2, 0), (1, 1), (1, 1), (0, 2), (0, 2), (-1, 2)):
            await expires_in(shop, owner_url, months)
            await tell(shop)
            assert len(await told(shop)) == heard, months
        assert await told(shop) == [(1, True), (0, True)]
        (event,) = await shop.rows(
            "SELECT DISTINCT organization_id, data ->> 'last4' AS last4 FROM outbox_event WHERE type = 'card.expiring'"
        )
        assert (event.organization_id, event.last4) == (organization, "4242")

    async def test_says_whether_auto_top_up_charges_it(self, shop: Shop, owner_url: str) -> None:
        organization = await customer(shop)
        await save_card(shop, organization, "5555555555554444")
        await expires_in(shop, owner_url, 1)
        assert await tell(shop) == 2
        assert sorted(await told(shop)) == [(1, False), (1, True)]
        await shop.ask(organization, "DELETE", "/auto-top-up")
        await expires_in(shop, owner_url, 0)
        assert await tell(shop) == 2
        assert (await told(shop))[2:] == [(0, False), (0, False)]

    async def test_is_not_announced_once_it_is_removed(self, shop: Shop, owner_url: str) -> None:
        organization = await customer(shop)
        [card] = (await shop.ask(organization, "GET", "/payment-methods")).json()["items"]
        await shop.ask(organization, "DELETE", f"/payment-methods/{card['id']}")
        await expires_in(shop, owner_url, 1)
        assert await tell(shop) == 0
