"""What a list says of money is what billing says, in every state."""

import json

import pytest
from sqlalchemy.exc import DBAPIError

from sublet.allocations import shown
from sublet.allocations.schemas import AllocationOut
from sublet.billing import cost, funds, runway, settlement
from sublet.billing.policy import DEFAULT_POLICY
from sublet.core.pages import Page
from tests.allocations.rental import Rental, offer

pytestmark = pytest.mark.anyio


async def _agrees(rental: Rental, allocation_id: str) -> None:
    async with rental.database.transaction() as session:
        item = json.loads(await shown.one(session, rental.actor, allocation_id, policy=DEFAULT_POLICY))
        known = (await cost.cost_of(session, [allocation_id]))[allocation_id]
        lasts = await runway.of(session, rental.actor.organization)
        clock = await funds.clock(session, rental.actor.organization)
    for name in ("charged", "accrued", "total", "held"):
        assert item["cost"][name] == getattr(known, name).field().model_dump(), name
    assert item["cost"]["rate"] == known.rate.field().model_dump()
    assert item["delivered_seconds"] == known.delivered_seconds
    if item["ended_at"] is None:
        assert item["funds"]["warning"] == (clock.level or lasts.warning)
        seconds = item["funds"]["runway_seconds"]
        if lasts.seconds is None:
            assert seconds is None
        else:
            assert abs(seconds - lasts.seconds) <= 1


class TestMoneyInLists:
    async def test_agrees_with_billing_in_every_state(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "odd", per_hour="0.123456789", suspended="0.000000007")
        allocation_id = await rental.running()
        for seconds in (1, 7, 3599, 12345):
            await rental.run(
                """
                UPDATE meter_segment SET period = tstzrange(lower(period) - make_interval(secs => :s), upper(period)),
                       metered_to = metered_to - make_interval(secs => :s),
                       posted_to = posted_to - make_interval(secs => :s)
                """,
                s=seconds,
            )
            await rental.run("UPDATE meter SET started_at = started_at - make_interval(secs => :s)", s=seconds)
            await _agrees(rental, allocation_id)
            await rental.observe()
            await _agrees(rental, allocation_id)
        async with rental.database.transaction() as session:
            await settlement.settle(session, allocation_id, final=False)
        await _agrees(rental, allocation_id)
        await rental.suspend(allocation_id)
        await rental.work_until(allocation_id, "suspended")
        await _agrees(rental, allocation_id)
        await rental.release(allocation_id)
        await _agrees(rental, allocation_id)
        await rental.work_until(allocation_id, "released")
        await _agrees(rental, allocation_id)


class TestPages:
    async def test_show_each_as_it_is_shown_alone_at_the_first_time_and_later(self, rental: Rental) -> None:
        ids = [await rental.running() for _ in range(4)]
        await rental.suspend(ids[1])
        await rental.work_until(ids[1], "suspended")
        await rental.release(ids[2])
        await rental.work_until(ids[2], "released")
        waiting = await rental.launch()
        everything = shown.Query(None, include_ended=True, before=None, limit=200)
        for _ in range(3):
            page = Page[AllocationOut].model_validate_json(
                await shown.page(rental.database, rental.actor, everything, policy=DEFAULT_POLICY)
            )
            assert {item.id for item in page.items} == {*ids, waiting}
            for item in page.items:
                async with rental.database.reading() as session:
                    alone = await shown.one(session, rental.actor, item.id, policy=DEFAULT_POLICY)
                assert _timeless(AllocationOut.model_validate_json(alone)) == _timeless(item)
            await rental.observe()

    async def test_follow_what_changes(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        query = shown.Query(None, include_ended=True, before=None, limit=50)
        seen = []
        for state in ("suspended", "released"):
            await (rental.suspend if state == "suspended" else rental.release)(allocation_id)
            await rental.work_until(allocation_id, state)
            page = json.loads(await shown.page(rental.database, rental.actor, query, policy=DEFAULT_POLICY))
            (item,) = page["items"]
            seen.append(
                (item["state"], item["operation"]["kind"], item["operation"]["state"], item["ended_at"] is None)
            )
        assert seen == [("suspended", "suspend", "succeeded", True), ("released", "release", "succeeded", False)]

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE allocation SET name = 'renamed'",
            'UPDATE allocation SET price = price || \'{"id": "prc_other"}\'',
            "UPDATE allocation_operation SET attempts = attempts + 1 WHERE finished_at IS NOT NULL",
            "DELETE FROM allocation_operation",
        ],
    )
    async def test_remember_nothing_that_could_change(self, rental: Rental, change: str) -> None:
        await rental.running()
        with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
            await rental.run(change)


def _timeless(item: AllocationOut) -> AllocationOut:
    """Without what the clock alone changes."""
    return item.model_copy(update={"funds": item.funds.model_copy(update={"runway_seconds": None})})
