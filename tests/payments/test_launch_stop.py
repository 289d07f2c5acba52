"""The stop of launches: changed by one at a time, and resolved by nobody's word while something is owed."""

import asyncio

import pytest

from sublet.ledger import holds
from sublet.payments import launch_stop
from tests.ledger.books import key, usd
from tests.payments.refunds import available, open_findings, paid, refund
from tests.payments.shop import Shop
from tests.payments.working import look_at
from tests.scheduling.test_lock_order import until_somebody_waits
from tests.support.app import Web

pytestmark = pytest.mark.anyio


class TestTheStopOfLaunches:
    async def test_is_waited_for_before_the_wallet_is_held(self, shop: Shop) -> None:
        organization, _ = await paid(shop)
        second = await shop.top_up(organization)
        await shop.pay(second)
        told = asyncio.Event()

        async def look() -> None:
            await told.wait()
            await look_at(shop, second["id"])

        looking = asyncio.create_task(look())
        async with shop.database.transaction() as session:
            await launch_stop.lock(session, organization)
            told.set()
            await until_somebody_waits(shop.database)
            await holds.withhold(session, organization, usd("1"), subject_id="dispute:x", idempotency_key=key())
        await asyncio.wait_for(looking, 20)
        assert await available(shop, organization) == "39.00"

    async def test_is_not_resolved_by_the_route_while_something_is_owed(self, shop: Shop, web: Web) -> None:
        organization, top_up_id = await paid(shop)
        async with shop.database.transaction() as session:
            await holds.place(session, organization, usd("20"), subject_id="al_1", idempotency_key=key())
        await refund(shop, top_up_id)
        await look_at(shop, top_up_id)
        [stop] = await open_findings(shop, "organization.launches_stopped")
        operator = await web.operator("finance")
        refused = await operator.post(f"/api/v1/admin/findings/{stop.id}/resolve", json={"reason": "they paid"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
