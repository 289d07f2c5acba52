"""Adjustments by operators: what nobody approved adds up, so that many small ones are no way around a second person."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from sublet.core.app import SETTINGS
from tests.payments.shop import Shop

pytestmark = pytest.mark.anyio


async def adjust(shop: Shop, organization: str, direction: str, amount: str, **more: Any) -> httpx.Response:
    """POST /admin/adjustments; alone 50.00 for an organization and direction, and 100.00 of credit for all."""
    body = {"organization_id": organization, "direction": direction, "amount": amount, "currency": "USD"}
    answer = await shop.operate("POST", "adjustments", **{**body, "reason": "sorry", **more})
    assert answer.status_code == 201, answer.text
    return answer


async def is_done(shop: Shop, organization: str, direction: str, amount: str, **more: Any) -> bool:
    """Whether it is in the books, and was not only asked for."""
    made = (await adjust(shop, organization, direction, amount, **more)).json()
    return made["adjustment"] is not None


async def budget_given(shop: Shop) -> str:
    """What counts against the budget of credit."""
    amount: str = (await shop.operate("GET", "credit-budget")).json()["given"]["amount"]
    return amount


@pytest.fixture
async def organization(shop: Shop) -> str:
    """A customer, where there are two operators."""
    await shop.hire("ada", "bob")
    return await shop.organization()


class TestWithoutASecondPerson:
    async def test_small_ones_add_up(self, shop: Shop, organization: str) -> None:
        assert await is_done(shop, organization, "take", "30.00")
        assert await is_done(shop, organization, "take", "20.00", name="bob")
        assert not await is_done(shop, organization, "take", "0.01")

    async def test_each_organization_and_each_direction_adds_up_of_its_own(self, shop: Shop, organization: str) -> None:
        assert await is_done(shop, organization, "take", "50.00")
        assert await is_done(shop, await shop.organization(), "take", "50.00")
        assert await is_done(shop, organization, "give", "50.00")
        assert not await is_done(shop, organization, "take", "0.01"), "what was given back makes no room"

    async def test_what_is_given_adds_up_below_the_budget(self, shop: Shop, organization: str) -> None:
        assert await is_done(shop, organization, "give", "50.00")
        assert not await is_done(shop, organization, "give", "0.01")

    async def test_what_is_given_to_all_is_within_the_budget_of_credit(self, shop: Shop, organization: str) -> None:
        others = [await shop.organization() for _ in range(2)]
        for one in (organization, others[0]):
            assert await is_done(shop, one, "give", "50.00")
        assert await budget_given(shop) == "100.00"
        assert not await is_done(shop, others[1], "give", "0.01")
        assert await is_done(shop, others[1], "take", "50.00"), "what is taken is no credit"
        assert await budget_given(shop) == "100.00"

    async def test_credit_counts_against_what_is_given(self, shop: Shop, organization: str) -> None:
        credit: dict[str, Any] = {
            "organization_id": organization,
            "currency": "USD",
            "valid_days": None,
            "reason": "Welcome",
        }
        await shop.operate("POST", "credits", **credit, amount="99.00")
        assert not await is_done(shop, organization, "give", "2.00")

    async def test_of_many_at_once_do_not_exceed_the_bound(self, shop: Shop, organization: str) -> None:
        answers = await asyncio.gather(*(adjust(shop, organization, "take", f"20.0{i}") for i in range(4)))
        assert sum(answer.json()["adjustment"] is not None for answer in answers) == 2

    async def test_those_of_an_earlier_month_do_not_count(self, shop: Shop, organization: str, owner_url: str) -> None:
        assert await is_done(shop, organization, "take", "50.00")
        with psycopg.connect(owner_url) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute(
                "UPDATE ledger.ledger_entry SET recorded_at = (SELECT starts_at - interval '1 us' "
                "FROM ledger.present_month) WHERE kind = 'adjustment'"
            )
        assert await is_done(shop, organization, "take", "50.00")
        assert not await is_done(shop, organization, "take", "0.01")

    async def test_none_is_made_where_the_bound_is_nothing(self, shop: Shop, organization: str) -> None:
        for change in ({"refund_alone_up_to": "0"}, {"credit_budget": "0"}):
            kept = shop.parts[SETTINGS]
            shop.parts.put(SETTINGS, kept.model_copy(update=change))
            assert not await is_done(shop, organization, "give", "0.01", reason=f"{change}")
            shop.parts.put(SETTINGS, kept)


class TestApproved:
    async def test_does_not_count_and_is_posted_once(self, shop: Shop, organization: str) -> None:
        waiting = (await adjust(shop, organization, "give", "60.00")).json()
        assert (waiting["adjustment"], waiting["approval"]["state"]) == (None, "requested")
        await shop.approve(waiting["approval"]["id"], "bob")
        assert not await is_done(shop, organization, "give", "60.00", reason="so there"), "nobody agreed to that"
        assert await is_done(shop, organization, "give", "60.00")
        assert not await is_done(shop, organization, "give", "60.00"), "an approval is used once"
        assert await budget_given(shop) == "0.00"
        assert await is_done(shop, organization, "give", "50.00")
        keys = await shop.rows("SELECT split_part(idempotency_key, ':', 2) AS of FROM ledger.ledger_entry ORDER BY id")
        assert keys[0].of == waiting["approval"]["id"]
