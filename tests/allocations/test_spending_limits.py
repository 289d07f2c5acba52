"""What a spending limit does to allocations: what runs is suspended and kept, and nothing starts until it is over."""

import asyncio

import pytest

from sublet.allocations import funds, suspension
from sublet.allocations.rows import currency_of
from sublet.billing.limit_review import review_limits
from sublet.billing.schemas import SpendingLimitOut
from sublet.billing.spend import SpendingLimitForbids, limits_of, suspended_for_limits
from sublet.core.errors import NotFound
from tests.allocations.rental import customer
from tests.allocations.site import REASON, Site
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

AN_HOUR = 3600
RUNS = ("active", None)
FOR_THE_LIMIT = ("suspended", "limit")
FOR_FUNDS = ("suspended", "funds")


@pytest.fixture
async def site(web: Web) -> Site:
    """A node that takes work."""
    return await Site.open(web)


async def set_limit(site: Site, amount_micro: int, *, scope: str = "month", of: str | None = None) -> None:
    """The organization lets itself spend so much."""
    await site.rental.run("DELETE FROM spending_limit")
    await site.rental.run(
        "INSERT INTO spending_limit (organization_id, currency, scope, subject_id, amount, set_by) "
        "VALUES (:o, 'USD', :scope, :of, :amount, 'x')",
        o=site.rental.actor.organization,
        scope=scope,
        of=of,
        amount=amount_micro,
    )


async def reviewed(site: Site) -> None:
    """Billing looks at the limits, and what follows from that is done."""
    async with site.web.database.transaction() as session:
        for action in await review_limits(session, policy=DEFAULT_POLICY):
            await funds.carry_out_limit(session, action)
    await site.deliver()


async def wants(site: Site, allocation_id: str) -> tuple[str, str | None]:
    """What is wanted of it, and what it is suspended for."""
    row = await site.rental.row(allocation_id)
    return row.wanted, row.suspended_for


async def listed(site: Site) -> list[tuple[str, list[str]]]:
    """Each limit of the organization with what is suspended for it, as its owner reads them."""
    async with site.web.database.transaction() as session:
        organization = site.rental.actor.organization
        limits = await limits_of(session, organization, policy=DEFAULT_POLICY)
        waiting = await suspended_for_limits(session, organization)
    shown = [SpendingLimitOut.of(limit, [], policy=DEFAULT_POLICY, waiting=waiting) for limit in limits]
    return [(limit.id, [one.id for one in limit.suspended]) for limit in shown]


async def limited(site: Site) -> str:
    """An allocation that a limit has suspended."""
    running = await site.rental.running()
    await site.rental.ran_for(running, AN_HOUR)
    await set_limit(site, 360_000, scope="allocation", of=running)
    await reviewed(site)
    await site.rental.work_until(running, "suspended")
    return running


class TestReached:
    async def test_suspends_what_runs_and_keeps_it(self, site: Site) -> None:
        running = await limited(site)
        row = await site.rental.row(running)
        assert (row.state, await wants(site, running)) == ("suspended", FOR_THE_LIMIT)
        assert running in site.node.accounts
        told = "SELECT reason FROM allocation_history WHERE allocation_id = :id ORDER BY id DESC LIMIT 1"
        assert await site.rental.all(told, id=running) == ["a spending limit is reached"]

    async def test_names_what_it_suspended_and_no_other(self, site: Site) -> None:
        running, by_hand = await limited(site), await site.rental.running()
        await site.rental.suspend(by_hand)
        await site.rental.work_until(by_hand, "suspended")
        assert await listed(site) == [(running, [running])]
        await set_limit(site, 10_000_000)  # of the organization, which is not reached
        assert await listed(site) == [("month", [])]
        await set_limit(site, 1)
        assert await listed(site) == [("month", [running])]
        await set_limit(site, 1, scope="allocation", of=by_hand)
        assert await listed(site) == [(by_hand, [])]

    async def test_forbids_resuming_and_says_what_would_end_that(self, site: Site) -> None:
        running = await limited(site)
        with pytest.raises(SpendingLimitForbids, match=r"spending limit is reached.*once the limit has been raised"):
            await site.rental.resume(running)

    async def test_of_the_organization_forbids_launching(self, site: Site) -> None:
        await set_limit(site, 100_000)  # less than what a launch sets aside
        with pytest.raises(SpendingLimitForbids, match="leaves too little"):
            await site.rental.launch()
        await set_limit(site, 10_000_000)
        await site.rental.launch()

    async def test_of_the_organization_counts_what_is_under_way(self, site: Site) -> None:
        await set_limit(site, 800_000)  # less than what two launches set aside
        first = await site.rental.launch()
        with pytest.raises(SpendingLimitForbids, match="leaves too little"):
            await site.rental.launch()
        await site.rental.work_until(first, "active")
        await site.rental.launch()

    async def test_of_the_organization_is_not_passed_by_a_launch_and_a_resumption_at_once(self, site: Site) -> None:
        waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        running = await site.rental.running()
        await site.rental.suspend(running)
        await site.rental.work_until(running, "suspended")
        await set_limit(site, 800_000)
        async with site.web.database.transaction() as session:
            await suspension.request_resumption(session, site.rental.actor, running, policy=DEFAULT_POLICY)
            launched = asyncio.create_task(site.rental.launch())
            async with asyncio.timeout(10):
                while not launched.done() and not await site.rental.all(waits):
                    await asyncio.sleep(0.01)
        await asyncio.wait([launched], timeout=10)
        assert isinstance(launched.exception(), SpendingLimitForbids)

    async def test_of_another_allocation_forbids_neither(self, site: Site) -> None:
        running, other = await limited(site), await site.rental.running()
        await site.rental.suspend(other)
        await site.rental.work_until(other, "suspended")
        await site.rental.resume(other)
        assert await wants(site, running) == FOR_THE_LIMIT

    async def test_leaves_alone_what_its_customer_has_suspended_meanwhile(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.ran_for(running, AN_HOUR)
        await set_limit(site, 360_000)
        async with site.web.database.transaction() as session:
            for action in await review_limits(session, policy=DEFAULT_POLICY):
                await funds.carry_out_limit(session, action)
        await site.rental.suspend(running)
        await site.deliver()
        assert await wants(site, running) == ("suspended", "customer")
        await site.rental.run("DELETE FROM spending_limit")
        await reviewed(site)
        assert await wants(site, running) == ("suspended", "customer")


class TestLifted:
    async def test_resumes_by_itself(self, site: Site) -> None:
        running = await limited(site)
        await set_limit(site, 5_000_000, scope="allocation", of=running)
        await reviewed(site)
        assert await wants(site, running) == RUNS
        await site.rental.work_until(running, "active")

    async def test_waits_for_money_where_there_is_too_little(self, site: Site) -> None:
        running = await limited(site)
        await site.rental.run(
            "INSERT INTO funds_clock VALUES (:o, 'USD', 'suspended', NULL)", o=site.rental.actor.organization
        )
        await site.rental.run("DELETE FROM spending_limit")
        await reviewed(site)
        assert await wants(site, running) == FOR_FUNDS

    async def test_is_waited_for_by_what_a_node_let_go_of(self, site: Site) -> None:
        running = await site.rental.running()
        await site.do("drain", **REASON, deadline_seconds=0, credit_seconds=0)
        await site.deadline_passes()
        await site.rental.work_until(running, "suspended")
        await set_limit(site, 1, scope="allocation", of=running)
        await site.do("stop-drain", **REASON)
        await site.deliver()
        assert await wants(site, running) == FOR_THE_LIMIT
        await site.rental.run("DELETE FROM spending_limit")
        await reviewed(site)
        assert await wants(site, running) == RUNS


class TestOfOne:
    async def test_ends_with_it(self, site: Site) -> None:
        running = await limited(site)
        await site.rental.release(running)
        await site.rental.work_until(running, "released")
        assert await site.rental.all("SELECT seq FROM spending_limit") == []

    async def test_is_in_its_currency_while_it_lives_and_nobody_elses(self, site: Site) -> None:
        running = await site.rental.running()
        mine, other = site.rental.actor.organization, (await customer(site.web.database)).organization
        async with site.web.database.reading() as session:
            assert await currency_of(session, mine, running) == "USD"
            with pytest.raises(NotFound):
                await currency_of(session, other, running)
        await site.rental.release(running)
        await site.rental.work_until(running, "released")
        async with site.web.database.reading() as session:
            with pytest.raises(NotFound):
                await currency_of(session, mine, running)
