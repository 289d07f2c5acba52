"""What one allocation says of money is what billing says, in every state, and what a list says is the same."""

from dataclasses import asdict

import pytest

from sublet.allocations.schemas import AllocationOut
from sublet.allocations.views import summaries, whole
from sublet.billing import settlement
from sublet.billing.cost import cost_of
from sublet.billing.standing import standing
from sublet.core.money import Money, Rate
from tests.allocations.rental import Rental, offer
from tests.support.policy import DEFAULT_LAUNCHES, DEFAULT_POLICY

pytestmark = pytest.mark.anyio

MOST_READS = 20
EVERYTHING = summaries.Query(None, include_ended=True, before=None, limit=200)


async def shown(rental: Rental, allocation_id: str) -> AllocationOut:
    """The allocation as it is shown alone, after it was held against what billing says and what its list shows.

    All are read between two answers of billing that are the same, so that nothing accrued while they were.
    """
    actor = rental.actor
    for _ in range(MOST_READS):
        async with rental.database.transaction() as session:
            known = (await cost_of(session, [allocation_id]))[allocation_id]
            item = await whole.of(session, actor, allocation_id, policy=DEFAULT_POLICY, launches=DEFAULT_LAUNCHES)
            stands = await standing(session, actor.organization, currency="USD", policy=DEFAULT_POLICY)
            page = await summaries.of_organization(session, actor, EVERYTHING, policy=DEFAULT_POLICY)
            everybodys = await summaries.of_everybody(session, EVERYTHING)
            then = (await cost_of(session, [allocation_id]))[allocation_id]
        if then == known:
            break
    else:
        pytest.fail(f"its cost changed while it was read, {MOST_READS} times")
    for name in ("charged", "accrued", "total", "rate"):
        assert getattr(item.cost, name) == getattr(known, name).field(), name
    assert item.delivered_seconds == known.delivered_seconds
    if item.ended_at is None:
        assert item.funds.warning == stands.warning
        seconds = item.funds.runway_seconds
        assert seconds == stands.runway.seconds or abs(seconds - stands.runway.seconds) <= 1
    everything = _timeless(item.model_dump())
    (summary,) = (one for one in page.items if one.id == allocation_id)
    assert _within(_timeless(asdict(summary)), everything)
    (admins,) = (asdict(one) for one in everybodys.items if one.id == allocation_id)
    assert admins.pop("organization")["id"] == actor.organization
    assert admins.pop("state_seconds") >= 0
    assert admins.pop("operator_error") is None
    assert _within(admins, everything)
    return item


def _timeless(item: dict[str, object]) -> dict[str, object]:
    """Without what the clock alone changes."""
    return {**item, "funds": {**item["funds"], "runway_seconds": None}}  # type: ignore[dict-item]  # a dump of a model


def _within(part: object, whole: object) -> bool:
    """Whether all that a part says the whole says too."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _within(value, whole[name]) for name, value in part.items())
    return part == whole


class TestMoneyOfOne:
    async def test_agrees_with_billing_and_with_lists_in_every_state(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "odd", per_hour="0.123456789", suspended="0.000000007")
        allocation_id = await rental.running()
        for seconds in (1, 3599, 12345):
            await rental.ran_for(allocation_id, seconds)
            await shown(rental, allocation_id)
            await rental.observe()
            await shown(rental, allocation_id)
        async with rental.database.transaction() as session:
            await settlement.settle(session, allocation_id, final=False, policy=DEFAULT_POLICY)
        assert Money.parse((await shown(rental, allocation_id)).cost.charged.amount, "USD").micro > 0
        await rental.suspend(allocation_id)
        await shown(rental, allocation_id)
        for state in ("suspended", "released"):
            if state == "released":
                await rental.release(allocation_id)
                await shown(rental, allocation_id)
            await rental.work_until(allocation_id, state)
            assert (await shown(rental, allocation_id)).state == state

    async def test_that_was_never_metered_is_nothing_but_what_is_held(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        async with rental.database.transaction() as session:
            item = await whole.of(
                session, rental.actor, allocation_id, policy=DEFAULT_POLICY, launches=DEFAULT_LAUNCHES
            )
        assert (item.cost.total.amount, item.cost.rate.amount, item.cost.as_of) == ("0.00", "0.00", item.created_at)
        assert item.cost.held == DEFAULT_POLICY.hold_for(Rate.parse("0.36", "USD")).field()


class TestTheOperation:
    async def test_is_the_latest(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        seen = []
        for state in ("suspended", "released"):
            await (rental.suspend if state == "suspended" else rental.release)(allocation_id)
            await rental.work_until(allocation_id, state)
            operation = (await shown(rental, allocation_id)).operation
            assert operation is not None
            seen.append((operation.kind, operation.state.value, {step.state for step in operation.steps}))
        assert seen == [("suspend", "succeeded", {"done"}), ("release", "succeeded", {"done"})]
