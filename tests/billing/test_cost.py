"""The cost that customers watch: charged, proven, and what is only believed, never mixed."""

import pytest

from sublet.billing import meters, settlement
from sublet.billing.charges import charged_micro
from sublet.billing.cost import cost_of
from sublet.core.db import Database
from sublet.core.money import Rate
from tests.billing import usage
from tests.billing.usage import RATE, new_subject, observe_until
from tests.ledger.books import usd
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio


class TestCost:
    async def test_grows_with_each_observation_before_it_is_posted(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            seen = []
            for moment in (10, 20, 30):
                await meters.observe(session, {subject.id}, subject.at(moment), policy=DEFAULT_POLICY)
                seen.append((await cost_of(session, [subject.id]))[subject.id])
        assert [cost.total.micro for cost in seen] == [1000, 2000, 3000]
        assert [cost.delivered_seconds for cost in seen] == [10, 20, 30]
        assert seen[-1].as_of == subject.at(30)

    async def test_what_is_posted_is_charged_and_no_longer_accrued(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
            await observe_until(session, subject, 700, since=600)
            cost = (await cost_of(session, [subject.id]))[subject.id]
        assert (cost.charged, cost.accrued, cost.total) == (usd("0.06"), usd("0.01"), usd("0.07"))
        assert cost.rate == RATE

    async def test_time_since_the_last_observation_costs_nothing_yet(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, started_ago=130)
            await meters.observe(session, {subject.id}, subject.at(100), policy=DEFAULT_POLICY)
            cost = (await cost_of(session, [subject.id]))[subject.id]
        assert (cost.total, cost.delivered_seconds, cost.as_of) == (usd("0.01"), 100, subject.at(100))

    async def test_time_that_is_still_to_come_costs_nothing_yet(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, started_ago=10)
            ahead = subject.at(100)  # by the clock of its node
            await meters.observe(session, {subject.id}, ahead, policy=DEFAULT_POLICY)
            cost = (await cost_of(session, [subject.id]))[subject.id]
        assert 10 <= cost.delivered_seconds < 90

    async def test_is_rounded_once_however_often_it_is_posted(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session, rate=Rate.parse("0.123456789", "USD"))
            since = 0
            for until in (1, 8, 3599, 12345):
                await observe_until(session, subject, until, since=since)
                since = until
                for settles in (False, True):
                    if settles:
                        await settlement.settle(session, subject.id, final=False, policy=DEFAULT_POLICY)
                    cost = (await cost_of(session, [subject.id]))[subject.id]
                    assert cost.total.micro == charged_micro(123_456_789, until)
                    assert cost.charged.micro == (await usage.charged_micro(session, subject))
                    assert cost.charged + cost.accrued == cost.total
                    assert cost.delivered_seconds == until

    async def test_after_the_end_nothing_moves(self, database: Database) -> None:
        async with database.transaction() as session:
            subject = await new_subject(session)
            await observe_until(session, subject, 600)
            await meters.stop(session, subject.id, subject.at(500))
            await settlement.settle(session, subject.id, final=True, policy=DEFAULT_POLICY)
            cost = (await cost_of(session, [subject.id]))[subject.id]
        assert (cost.total, cost.accrued) == (usd("0.05"), usd("0"))
        assert (cost.rate, cost.delivered_seconds, cost.as_of) == (Rate(0, "USD"), 500, subject.at(500))

    async def test_of_something_never_metered_is_missing(self, database: Database) -> None:
        async with database.reading() as session:
            assert await cost_of(session, ["al_unknown"]) == {}
