"""What the life of a node does to those who live there: emptied, lost and back, given up."""

from typing import Any

import pytest

from sublet.allocations import incidents
from sublet.allocations.incident_kind import Incident
from sublet.allocations.restart import restart_elsewhere
from sublet.allocations.terminal import terminal_target
from sublet.allocations.views import whole
from sublet.allocations.work import sweep
from sublet.billing.cost import cost_of
from sublet.ledger.failures import InsufficientFunds
from tests.allocations.lost import CREDIT_MICRO, lost
from tests.allocations.rental import DEFAULT_LAUNCHES, customer
from tests.allocations.site import REASON, Site
from tests.scheduling.fleet_rows import add_node
from tests.support.app import Web
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

HOUR = {"deadline_seconds": 3600, "credit_seconds": 5000}
AT_ONCE = {**HOUR, "deadline_seconds": 0}


@pytest.fixture
async def site(web: Web) -> Site:
    """A node that takes work."""
    return await Site.open(web)


class TestDraining:
    async def test_tells_whoever_runs_there_once_and_takes_nothing_new(self, site: Site) -> None:
        running = await site.rental.running()
        assert await site.do("drain", **REASON, **HOUR) == "draining"
        for _ in range(2):
            site.delivered = 0
            await site.deliver()
        assert await site.available() == 0
        [told] = [reason for reason in await site.history(running) if "is being emptied" in reason]
        deadline = (await site.shown())["drain"]["deadline_at"]
        assert deadline[:19] in told
        # It is a line at the allocation's page and in its open terminals.
        async with site.web.database.reading() as session:
            [notice] = (await terminal_target(session, site.rental.actor, running)).notices
        assert notice.text == told
        [event] = await site.rental.all("SELECT data FROM outbox_event WHERE type = 'allocation.node_draining'")
        assert event["allocation_id"] == running
        assert (await site.audited("node.drained"))["credit_seconds"] == HOUR["credit_seconds"]
        assert (await site.rental.row(running)).state == "active"

    async def test_suspends_at_the_deadline_and_credits_exactly_and_once(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.ran_for(running, 6000)
        promo = (await site.rental.wallet()).promo.micro
        await site.do("drain", **REASON, **AT_ONCE)
        await site.deliver()
        await site.deadline_passes()
        assert (await site.rental.row(running)).wanted == "suspended"
        site.delivered = 0
        await site.deliver()
        await site.rental.work_until(running, "suspended")
        assert await site.credits() == [CREDIT_MICRO]
        assert (await site.rental.wallet()).promo.micro - promo == CREDIT_MICRO
        reasons = await site.history(running)
        assert "its node is being emptied" in reasons
        assert any("0.50 USD were credited" in reason for reason in reasons)
        assert await site.rental.disagreements() == []

    async def test_credits_no_more_time_than_was_delivered(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.ran_for(running, 1000)
        await site.do("drain", **REASON, **AT_ONCE)
        await site.deadline_passes()
        assert (await site.rental.row(running)).wanted == "suspended"
        [credited] = await site.credits()
        async with site.web.database.reading() as session:
            ran = (await cost_of(session, [running]))[running].delivered_seconds
        assert 1000 <= ran < HOUR["credit_seconds"]
        assert 1000 * 100 <= credited <= ran * 100  # a second costs so many millionths

    async def test_credits_no_time_twice_that_was_delivered_once(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.ran_for(running, 6000)
        for _ in range(2):
            await site.do("drain", **REASON, **AT_ONCE)
            await site.deadline_passes()
            await site.rental.work_until(running, "suspended")
            await site.do("stop-drain", **REASON)
            await site.deliver()
            await site.rental.work_until(running, "active")
        first, second = await site.credits()
        async with site.web.database.reading() as session:
            ran = (await cost_of(session, [running]))[running].delivered_seconds
        assert first == CREDIT_MICRO
        assert 6000 * 100 <= first + second <= ran * 100

    async def test_suspends_nobody_once_it_was_stopped(self, site: Site) -> None:
        running = await site.rental.running()
        await site.do("drain", **REASON, **AT_ONCE)
        assert await site.do("stop-drain", **REASON) == "cordoned"
        assert "not being emptied" in await site.refused("stop-drain", **REASON)
        await site.deadline_passes()
        assert (await site.rental.row(running)).wanted == "active"
        assert await site.credits() == []

    async def test_leaves_alone_what_its_owner_had_suspended(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.suspend(running)
        await site.rental.work_until(running, "suspended")
        await site.do("drain", **REASON, **AT_ONCE)
        await site.deadline_passes()
        assert (await site.rental.row(running)).suspended_for == "customer"
        assert await site.credits() == []

    async def test_of_nothing_credits_nothing_where_that_is_the_policy(self, site: Site) -> None:
        running = await site.rental.running()
        await site.do("drain", **REASON, deadline_seconds=0, credit_seconds=0)
        await site.deadline_passes()
        assert (await site.rental.row(running)).wanted == "suspended"
        assert await site.credits() == []

    async def test_is_asked_for_with_a_deadline_and_a_credit_that_nobody_assumes(self, site: Site) -> None:
        for left_out in HOUR:
            body = {name: value for name, value in {**REASON, **HOUR}.items() if name != left_out}
            assert (await site.ask("drain", **body)).status_code == 422

    async def test_lets_what_it_suspended_run_again_when_the_node_is_back_and_not_before(self, site: Site) -> None:
        running = await site.rental.running()
        await site.do("drain", **REASON, **AT_ONCE)
        await site.deadline_passes()
        await site.rental.work_until(running, "suspended")
        with pytest.raises(Exception, match="It is resumed by itself when that is done"):
            await site.rental.resume(running)
        await site.do("maintenance", **REASON)
        await site.do("self-test")
        await site.work()
        await site.deliver()
        assert (await site.rental.row(running)).wanted == "suspended"
        await site.do("put-back", **REASON)
        await site.deliver()
        await site.rental.work_until(running, "active")

    @pytest.mark.parametrize("late", [True, False])
    async def test_is_of_what_comes_to_run_there_later_too(self, site: Site, late: bool) -> None:
        """It was lost when the others were told, or suspended, and is back."""
        running = await lost(site)
        site.node.reachable = True
        await site.rental.run("UPDATE node SET state = 'ready'")
        await site.do("drain", **REASON, **(AT_ONCE if late else HOUR))
        await site.deadline_passes()
        assert (await site.rental.row(running)).wanted == "active"
        await site.rental.observe()
        await site.rental.work_until(running, "active")
        await site.deliver()
        if late:
            assert (await site.rental.row(running)).wanted == "suspended"
            assert len(await site.credits()) == 1
        else:
            assert any("is being emptied" in reason for reason in await site.history(running))

    async def test_of_a_node_that_is_kept_apart_leaves_it_so(self, site: Site) -> None:
        running = await site.rental.running()
        await site.do("quarantine", **REASON)
        assert await site.do("drain", **REASON, **AT_ONCE) == "quarantined"
        await site.deadline_passes()
        assert (await site.rental.row(running)).wanted == "suspended"
        assert await site.do("stop-drain", **REASON) == "quarantined"


class TestLostAndBack:
    @pytest.mark.parametrize(
        ("found", "told"),
        [
            ("all of it", "Its node answers again, and it can be used as before."),
            ("another boot", "Its node answers again, and it can be used as before."),
            ("nothing", "Its node answers again without it: it was set up anew"),
        ],
    )
    async def test_says_what_has_become_of_it(self, site: Site, found: str, told: str) -> None:
        running = await lost(site)
        before = (await site.rental.row(running)).generation
        site.node.reachable = True
        if found == "another boot":
            site.node.boot_id = "boot-2"
        elif found == "nothing":
            site.node.accounts.clear()
        await site.rental.run("UPDATE node SET state = 'ready'")
        await site.rental.observe()
        await site.rental.work_until(running, "active")
        assert any(reason.startswith(told) for reason in (await site.history(running))[-2:])
        async with site.web.database.reading() as session:
            kinds = {one.kind for one in await incidents.latest(session, running)}
        assert kinds >= {Incident.BACK, Incident.LOST}
        # Whatever was on its way to the node when it was lost comes too late.
        [generation] = [one for verb, _, one in site.rental.backend.calls[-1:] if verb == "apply"]
        assert generation >= before

    async def test_says_of_what_was_suspended_that_it_is_back_too(self, site: Site) -> None:
        running = await site.rental.running()
        await site.rental.suspend(running)
        await site.rental.work_until(running, "suspended")
        await site.rental.run("UPDATE node SET state = 'offline'")
        async with site.web.database.transaction() as session:
            assert await sweep.mark_lost(session) == [running]
        await site.rental.run("UPDATE node SET state = 'ready'")
        await site.rental.observe()
        await site.rental.work_until(running, "suspended")
        assert (await site.history(running))[-1] == "Its node answers again: it is suspended, with its data kept."

    @pytest.mark.parametrize(("lost_for", "becomes"), [(59, "active"), (61, "released")])
    async def test_is_released_instead_where_it_was_lost_for_longer_than_the_operator_lets_it(
        self, site: Site, lost_for: int, becomes: str
    ) -> None:
        running = await lost(site)
        site.rental.release_lost_seconds = 60
        await site.rental.run(f"UPDATE allocation SET state_since = now() - interval '{lost_for} seconds'")
        site.node.reachable = True
        await site.rental.run("UPDATE node SET state = 'ready'")
        await site.rental.observe()
        await site.rental.work_until(running, becomes)
        assert any("longer than the operator" in reason for reason in await site.history(running)) == (
            becomes == "released"
        )
        assert await site.rental.disagreements() == []

    async def test_fences_what_was_on_its_way_to_the_node(self, site: Site) -> None:
        running = await site.rental.running()
        before = (await site.rental.row(running)).generation
        await site.rental.run("UPDATE node SET state = 'offline'")
        async with site.web.database.transaction() as session:
            await sweep.mark_lost(session)
        assert (await site.rental.row(running)).generation == before + 1


class TestRestartingElsewhere:
    async def test_gives_up_the_lost_one_and_launches_another_like_it(self, site: Site) -> None:
        running = await lost(site)
        name = (await site.rental.row(running)).name
        south = await add_node(site.web.database, "south", gpus=["A"])
        started = await restart(site, running)
        row = await site.rental.row(started)
        assert (row.node_id, row.name, row.sku_id) == (south, f"{name}-2", site.rental.sku.id)
        old = await site.rental.row(running)
        assert (old.state, old.wanted) == ("releasing", "gone")
        # Its hold is free, and it cost what was seen of it.
        assert await site.rental.all("SELECT 1 FROM ledger.open_hold WHERE id = :id", id=old.hold_id) == []
        assert await site.rental.all("SELECT sum(seconds) FROM usage_record WHERE subject_id = :id", id=running) == [
            100
        ]
        assert f"restarted elsewhere as {name}-2 ({started})" in await site.history(running)
        await site.rental.work_until(started, "active")
        site.node.reachable = True
        await site.rental.work_until(running, "released")
        assert await site.rental.disagreements() == []

    @pytest.mark.parametrize(("ran_for", "enough"), [(100, True), (2000, False)])
    async def test_is_offered_where_what_giving_it_up_frees_is_enough(
        self, site: Site, ran_for: int, enough: bool
    ) -> None:
        """A launch holds 0.456 of 0.60, and each 100 seconds cost 0.01."""
        site.rental.actor = await customer(site.web.database, "0.60")
        running = await lost(site, ran_for=ran_for)
        await add_node(site.web.database, "south")
        async with site.web.database.reading() as session:
            given: dict[str, Any] = {"policy": DEFAULT_POLICY, "launches": DEFAULT_LAUNCHES}
            shown = await whole.of(session, site.rental.actor, running, **given)
        [offered] = [one.allowed for one in shown.actions if one.name == "restart_elsewhere"]
        assert offered == enough
        if enough:
            assert await restart(site, running)
        else:
            with pytest.raises(InsufficientFunds):
                await restart(site, running)

    async def test_is_for_what_is_lost_alone_and_leaves_all_as_it_is_where_nothing_is_free(self, site: Site) -> None:
        running = await site.rental.running()
        with pytest.raises(Exception, match="It is not lost"):
            await restart(site, running)
        site.node.reachable = False
        await site.rental.run("UPDATE node SET state = 'offline'")
        async with site.web.database.transaction() as session:
            await sweep.mark_lost(session)
        with pytest.raises(Exception, match="Nothing of this kind is free"):
            await restart(site, running)
        assert (await site.rental.row(running)).state == "lost"


async def restart(site: Site, allocation_id: str) -> str:
    [price_id] = await site.rental.all("SELECT id FROM price")
    given: dict[str, Any] = {"price_id": price_id, "policy": DEFAULT_POLICY, "launches": DEFAULT_LAUNCHES}
    async with site.web.database.transaction() as session:
        return await restart_elsewhere(session, site.rental.actor, allocation_id, **given)
