"""The release of what was on a node that will not return: with a reason, and a second person."""

from typing import Any

import httpx
import pytest

from tests.allocations.lost import CREDIT_MICRO, lost
from tests.allocations.site import REASON, Site
from tests.support.app import Web

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(web: Web) -> Site:
    """A node that takes work."""
    return await Site.open(web)


class TestForcedRelease:
    async def ask(self, site: Site) -> dict[str, Any]:
        answer = await site.ask("force-release", **REASON, credit_seconds=5000)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def approve(self, who: httpx.AsyncClient, approval: str) -> int:
        answer = await who.post(f"/api/v1/admin/approvals/{approval}/approve", json={"reason": "saw it burn"})
        return answer.status_code

    async def test_takes_a_second_person_and_ends_what_lived_there(self, site: Site) -> None:
        running = await lost(site)
        asked = await self.ask(site)
        assert (asked["node"]["state"], asked["approval"]["state"]) == ("offline", "requested")
        assert await self.approve(site.operator, asked["approval"]["id"]) == 403
        assert (await self.ask(site))["node"]["state"] == "offline"
        assert await self.approve(await site.web.operator("fleet"), asked["approval"]["id"]) == 200
        done = await self.ask(site)
        assert (done["node"]["state"], done["approval"]["state"]) == ("retired", "used")
        for _ in range(2):
            site.delivered = 0
            await site.deliver()
        row = await site.rental.row(running)
        assert (row.state, row.on_node, row.evidence["clean"]) == ("released", False, False)
        assert await site.rental.all("SELECT sum(seconds) FROM usage_record WHERE subject_id = :id", id=running) == [
            100
        ]
        assert await site.credits() == [CREDIT_MICRO]
        assert "its node will not return" in (await site.history(running))[-2]
        assert (await site.audited("node.force_released"))["reason"] == REASON["reason"]
        site.node.accounts.clear()  # the machine is gone, and with it what was on it
        assert await site.rental.disagreements() == []

    async def test_gives_none_of_its_capacity_out_again(self, site: Site) -> None:
        await lost(site)
        asked = await self.ask(site)
        await self.approve(await site.web.operator("fleet"), asked["approval"]["id"])
        await self.ask(site)
        await site.deliver()
        assert await site.available() == 0
        assert await site.rental.all("SELECT state || ' ' || quarantine_code FROM gpu") == ["quarantined node_retired"]
        [gpu] = await site.rental.all("SELECT uuid FROM gpu")
        assert "retired" in await site.refused(f"gpus/{gpu}/clear", **REASON)
        site.node.reachable = True
        await site.rental.observe()
        assert await site.available() == 0

    async def test_of_something_else_than_was_approved_has_to_be_asked_for_anew(self, site: Site) -> None:
        await lost(site)
        asked = await self.ask(site)
        await self.approve(await site.web.operator("fleet"), asked["approval"]["id"])
        answer = await site.ask("force-release", **REASON, credit_seconds=1)
        assert answer.json()["approval"]["state"] == "requested"
        assert answer.json()["node"]["state"] == "offline"

    async def test_that_was_approved_for_one_outage_is_not_for_the_next(self, site: Site) -> None:
        await lost(site)
        asked = await self.ask(site)
        await self.approve(await site.web.operator("fleet"), asked["approval"]["id"])
        await site.rental.run("UPDATE node SET state = 'ready', last_seen_at = clock_timestamp()")
        await site.rental.run("UPDATE node SET state = 'offline', resumes_as = 'ready'")
        again = await self.ask(site)
        assert (again["node"]["state"], again["approval"]["state"]) == ("offline", "requested")
        assert again["approval"]["id"] != asked["approval"]["id"]

    async def test_is_for_a_node_that_does_not_answer_and_to_which_nothing_is_on_its_way(self, site: Site) -> None:
        assert "Drain this one" in await site.refused("force-release", **REASON, credit_seconds=5000)
        await site.rental.launch()
        await site.rental.run("UPDATE node SET state = 'offline'")
        assert "still being set up" in await site.refused("force-release", **REASON, credit_seconds=5000)

    @pytest.mark.parametrize("as_it_is", ["suspended", "releasing", "release_failed"])
    async def test_ends_what_is_in_any_state(self, site: Site, as_it_is: str) -> None:
        running = await site.rental.running()
        if as_it_is == "suspended":
            await site.rental.suspend(running)
            await site.rental.work_until(running, "suspended")
        else:
            site.node.dirty.add(running)
            await site.rental.release(running)
        if as_it_is == "release_failed":
            await site.rental.work_until(running, "release_failed")
        site.node.reachable = False
        await site.rental.run("UPDATE node SET state = 'offline'")
        asked = await self.ask(site)
        await self.approve(await site.web.operator("fleet"), asked["approval"]["id"])
        await self.ask(site)
        await site.deliver()
        assert (await site.rental.row(running)).state == "released"
        # Whoever had asked for the release has lost nothing by the node.
        assert await site.credits() == ([CREDIT_MICRO] if as_it_is == "suspended" else [])
        site.node.accounts.clear()  # the machine is gone, and with it what was on it
        assert await site.rental.disagreements() == []
