"""What was suspended runs again by itself, and by nobody, where its node and its owner's money allow that."""

from typing import Any

import pytest

from sublet.allocations import funds
from sublet.allocations.states import StateForbids
from sublet.allocations.work import sweep
from sublet.billing import funds as billing_funds
from sublet.findings import findings, launches
from sublet.findings.findings import Severity
from tests.allocations.rental import pay_in
from tests.allocations.site import REASON, Site
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

AT_ONCE = {"deadline_seconds": 0, "credit_seconds": 0}


@pytest.fixture
async def site(web: Web) -> Site:
    """A node that takes work."""
    return await Site.open(web)


async def drained(site: Site, *, after_seconds: int = 0) -> str:
    """An allocation that the emptying of its node has suspended, after it had run for so long."""
    running = await site.rental.running()
    await site.rental.ran_for(running, after_seconds)
    await site.do("drain", **REASON, **AT_ONCE)
    await site.deadline_passes()
    await site.rental.work_until(running, "suspended")
    return running


async def opened(site: Site) -> None:
    """Its node takes part again."""
    await site.do("stop-drain", **REASON)
    await site.deliver()


async def reviewed(site: Site) -> None:
    """Billing looks at the funds, and what follows from that is done."""
    async with site.web.database.transaction() as session:
        for action in await billing_funds.review(session, policy=DEFAULT_POLICY):
            await funds.carry_out(session, action)
    await site.deliver()


async def waits_for(site: Site, allocation_id: str) -> tuple[str, str | None, bool]:
    """What is wanted, what it is suspended for, and whether it is for funds that it waits by its meter."""
    row = await site.rental.row(allocation_id)
    [out] = await site.rental.all("SELECT out_of_funds FROM meter WHERE subject_id = :id", id=allocation_id)
    return row.wanted, row.suspended_for, out


async def stop_launches(site: Site) -> str:
    """Something about the organization's payments has to be seen to first."""
    about: dict[str, Any] = {"subject_type": launches.STOP_SUBJECT, "subject_id": site.rental.actor.organization}
    async with site.web.database.transaction() as session:
        return await findings.open_finding(session, code=launches.STOP_CODE, severity=Severity.CRITICAL, **about)


RUNS = ("active", None, False)
FOR_FUNDS = ("suspended", "funds", True)
FOR_ITS_NODE = ("suspended", "drain", False)
ALMOST_ALL_SECONDS = 199_200
"""So long it runs for all of 20.00 but 0.08, which is less than the grace takes."""


class TestAfterADrain:
    async def test_waits_for_money_where_too_little_is_left(self, site: Site) -> None:
        running = await drained(site, after_seconds=ALMOST_ALL_SECONDS)
        assert await waits_for(site, running) == FOR_ITS_NODE
        await opened(site)
        assert await waits_for(site, running) == FOR_FUNDS
        await reviewed(site)
        assert await waits_for(site, running) == FOR_FUNDS
        assert "allocation.funds_restored" not in await site.rental.events()
        # Nothing of this organization was ever suspended for lack of funds: its clock stands still.
        assert await site.rental.all("SELECT level FROM funds_clock") == []
        await pay_in(site.web.database, site.rental.actor, "5.00")
        await reviewed(site)
        assert await waits_for(site, running) == RUNS
        await site.rental.work_until(running, "active")

    async def test_waits_for_an_operator_where_launches_are_stopped(self, site: Site) -> None:
        running = await drained(site)
        stopped = await stop_launches(site)
        await opened(site)
        await reviewed(site)
        assert await waits_for(site, running) == FOR_FUNDS
        async with site.web.database.transaction() as session:
            await findings.close_by_id(session, stopped, by="Ada", reason="settled")
        await reviewed(site)
        assert await waits_for(site, running) == RUNS

    async def test_by_hand_is_no_longer_waiting_for_money(self, site: Site) -> None:
        """Else what lack of funds suspends next would pass it by."""
        running = await drained(site, after_seconds=ALMOST_ALL_SECONDS)
        await opened(site)
        assert await waits_for(site, running) == FOR_FUNDS
        await pay_in(site.web.database, site.rental.actor, "5.00")
        await site.rental.resume(running)
        assert await waits_for(site, running) == RUNS


class TestOnceThereIsMoneyAgain:
    async def test_waits_for_a_node_that_is_being_emptied(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.ran_for(running, ALMOST_ALL_SECONDS)
        await reviewed(site)
        await site.rental.run("UPDATE funds_clock SET grace_ends_at = clock_timestamp()")
        await reviewed(site)
        assert await waits_for(site, running) == FOR_FUNDS
        await site.rental.work_until(running, "suspended")
        await site.do("drain", **REASON, **AT_ONCE)
        await pay_in(site.web.database, site.rental.actor, "5.00")
        await reviewed(site)
        assert await waits_for(site, running) == FOR_ITS_NODE
        await opened(site)
        assert await waits_for(site, running) == RUNS


class TestByHand:
    async def test_is_not_had_on_a_node_that_is_away_and_will_be_worked_on_when_it_is_back(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.suspend(running)
        await site.rental.work_until(running, "suspended")
        await site.do("maintenance", **REASON)
        await site.rental.run("UPDATE node SET state = 'offline', resumes_as = 'maintenance'")
        async with site.web.database.transaction() as session:
            assert await sweep.mark_lost(session) == [running]
        with pytest.raises(StateForbids, match="Its node is being worked on"):
            await site.rental.resume(running)
        await site.rental.run("UPDATE node SET resumes_as = 'ready'")
        await site.rental.resume(running)
