"""What nobody pays for is kept until the announced date, shown, and then released as anything else is."""

import pytest

from sublet.allocations import funds
from sublet.allocations.views import summaries, whole
from sublet.billing import data_clock
from sublet.billing.funds import FundsAction
from sublet.core.money import Money
from sublet.ledger.adjustments import adjust
from tests.allocations.rental import offer
from tests.allocations.site import Site
from tests.support.app import Web
from tests.support.policy import DEFAULT_LAUNCHES, DEFAULT_POLICY

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(web: Web) -> Site:
    """A node that takes work."""
    return await Site.open(web)


async def kept(site: Site, *, cause: str = "funds", ended: bool = True, without_money: bool = True) -> str:
    """A suspended allocation of an organization whose funds are used up, and whose data clock has ended, or runs."""
    running = await site.rental.running()
    await site.rental.suspend(running)
    await site.rental.work_until(running, "suspended")
    await site.rental.run("UPDATE allocation SET suspended_for = :cause WHERE id = :id", cause=cause, id=running)
    end = "now() - interval '1 minute'" if ended else "now() + interval '1 hour'"
    await site.rental.run(
        "INSERT INTO data_clock (organization_id, currency, began_at, deletes_at, told_days, released_at) "
        f"VALUES (:o, 'USD', now() - interval '14 days', {end}, 1, {'now()' if ended else 'NULL'})",
        o=site.rental.actor.organization,
    )
    if without_money:
        await drained(site, running)
    return running


async def drained(site: Site, allocation_id: str, *, amount: str = "20.00") -> None:
    """So much of the customer's money is gone, and lack of funds has suspended the allocation."""
    organization_id = site.rental.actor.organization
    await site.rental.run(
        "INSERT INTO funds_clock (organization_id, currency, level) VALUES (:o, 'USD', 'suspended')", o=organization_id
    )
    await site.rental.run("UPDATE meter SET out_of_funds = true WHERE subject_id = :id", id=allocation_id)
    async with site.web.database.transaction() as session:
        taken = {"given": False, "adjustment_id": "adj_1", "approval_id": None, "reason": "Spent"}
        await adjust(session, organization_id, Money.parse(amount, "USD"), **taken)


async def due(site: Site, allocation_id: str) -> str:
    """Billing says that its time is over, and what follows is done; what is wanted of it then."""
    action = FundsAction(site.rental.actor.organization, allocation_id, "release", "suspended", 0, None)
    async with site.web.database.transaction() as session:
        await funds.carry_out(session, action)
    await site.deliver()
    return str((await site.rental.row(allocation_id)).wanted)


class TestItsEnd:
    async def test_releases_what_is_suspended_with_evidence(self, site: Site) -> None:
        allocation_id = await kept(site)
        assert await due(site, allocation_id) == "gone"
        row = await site.rental.work_until(allocation_id, "released")
        assert row.evidence is not None
        told = "SELECT reason FROM allocation_history WHERE allocation_id = :id AND to_state = 'releasing'"
        assert await site.rental.all(told, id=allocation_id) == ["nobody paid for it for as long as data are kept"]
        assert await site.rental.disagreements() == []

    async def test_releases_nothing_before_its_time(self, site: Site) -> None:
        assert await due(site, await kept(site, ended=False)) == "suspended"

    async def test_releases_nothing_once_money_came_in(self, site: Site) -> None:
        allocation_id = await kept(site)
        async with site.web.database.transaction() as session:
            await data_clock.note_top_up(session, site.rental.actor.organization, currency="USD")
        assert await due(site, allocation_id) == "suspended"

    async def test_releases_nothing_that_a_credit_pays_since_the_review(self, site: Site) -> None:
        allocation_id = await kept(site)
        async with site.web.database.transaction() as session:
            given = {"given": True, "adjustment_id": "adj_2", "approval_id": None, "reason": "Sorry"}
            await adjust(session, site.rental.actor.organization, Money.parse("20.00", "USD"), **given)
        assert await due(site, allocation_id) == "suspended"

    async def test_releases_nothing_that_was_resumed_meanwhile(self, site: Site) -> None:
        allocation_id = await kept(site, without_money=False)
        await site.rental.resume(allocation_id)
        await drained(site, allocation_id)
        assert await due(site, allocation_id) == "active"


class TestItsDate:
    @pytest.mark.parametrize(
        ("cause", "suspended", "shown"), [("funds", "0", True), ("customer", "0", False), ("customer", "0.036", True)]
    )
    async def test_is_shown_with_what_it_is_for(self, site: Site, cause: str, suspended: str, *, shown: bool) -> None:
        site.rental.sku = await offer(site.web.database, "asleep", suspended=suspended)
        allocation_id = await kept(site, cause=cause, ended=False)
        async with site.web.database.reading() as session:
            one = await whole.of(
                session, site.rental.actor, allocation_id, policy=DEFAULT_POLICY, launches=DEFAULT_LAUNCHES
            )
            query = summaries.Query(states=None, include_ended=False, before=None, limit=10)
            page = await summaries.of_organization(session, site.rental.actor, query, policy=DEFAULT_POLICY)
        assert (one.funds.data_kept_until is not None) == shown
        assert [row.funds.data_kept_until for row in page.items] == [one.funds.data_kept_until]


class TestRows:
    @pytest.mark.parametrize(
        "values",
        [
            "now(), now() + interval '1 hour', 1, NULL",
            "now() - interval '9 days', now() - interval '1 day', 3, now()",
            "now() - interval '9 days', now() + interval '1 day', 1, now()",
        ],
        ids=["for less than a day", "released without the last notice", "released before its time"],
    )
    async def test_are_refused_that_would_release_too_early(self, site: Site, values: str) -> None:
        with pytest.raises(Exception, match="data_clock"):
            await site.rental.run(
                "INSERT INTO data_clock (organization_id, currency, began_at, deletes_at, told_days, released_at) "
                f"VALUES ('org_1', 'USD', {values})"
            )
