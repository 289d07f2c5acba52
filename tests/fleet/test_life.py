"""The life of a node as its operators lead it: closed, worked on, kept apart, tried and put back, retired."""

from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, text, update

from sublet.core.settings import Settings
from sublet.core.work import leases
from sublet.fleet import damaged_records, gpu_health, helper_versions, nodes
from sublet.fleet.backend import GpuFacts, UnreadableRecord
from sublet.fleet.gpu_judgement import GpuFinding
from sublet.fleet.models import gpu_health as gpu_health_table
from sublet.fleet.models import node
from sublet.fleet.observation import Observer
from sublet.fleet.work import NODE, TRIAL, TRUST, UPGRADE
from sublet.fleet.xids import Severity
from tests.allocations.site import REASON, Site
from tests.support.app import Web

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(web: Web) -> Site:
    """A node that takes work."""
    return await Site.open(web)


class TestMaintenance:
    async def test_begins_when_nothing_runs_there_whatever_is_only_kept(self, site: Site) -> None:
        running = await site.rental.running()
        name = (await site.rental.row(running)).name
        assert f"Something still runs on it: {name}" in await site.refused("maintenance", **REASON)
        await site.rental.suspend(running)
        await site.rental.work_until(running, "suspended")
        assert [(one["name"], one["need"]) for one in (await site.shown())["residents"]] == [(name, "kept")]
        assert await site.do("maintenance", **REASON) == "maintenance"
        assert await site.available() == 0
        assert (await site.shown())["history"][0]["reason"] == REASON["reason"]
        assert (await site.audited("node.maintained"))["reason"] == REASON["reason"]

    @pytest.mark.parametrize("out_of_use", ["maintenance", "quarantine"])
    async def test_and_quarantine_end_once_the_node_has_passed_a_test_of_itself(
        self, site: Site, out_of_use: str
    ) -> None:
        before = await site.available()
        await site.do(out_of_use, **REASON)
        assert "has not passed a test" in await site.refused("put-back", **REASON)
        await site.do("self-test")
        assert "A test of the node is under way." in await site.refused("self-test")
        await site.work()
        test = (await site.shown())["self_test"]
        assert (test["passed"], [(one["name"], one["passed"]) for one in test["checks"]]) == (
            True,
            [(name, True) for name in ("enter", "cpu", "memory", "network", "release")],
        )
        assert site.node.accounts == {}
        assert await site.do("put-back", **REASON) == "ready"
        assert await site.available() == before
        assert await site.rental.all("SELECT data ->> 'passed' FROM outbox_event WHERE type = 'node.self_tested'")

    @pytest.mark.parametrize("fault", ["enter", "cpu", "memory", "network", "release"])
    async def test_does_not_end_while_one_thing_is_not_as_it_should_be(self, site: Site, fault: str) -> None:
        await site.do("maintenance", **REASON)
        await site.do("self-test")
        if fault == "enter":
            site.node.keeps_out = True
        elif fault == "release":
            [login] = await site.rental.all("SELECT allocation_id FROM node_trial")
            site.node.dirty.add(login)
        else:
            site.node.weak.add(fault)
        await site.work()
        test = (await site.shown())["self_test"]
        assert (test["passed"], [one["name"] for one in test["checks"] if not one["passed"]]) == (False, [fault])
        assert "has not passed a test" in await site.refused("put-back", **REASON)

    async def test_is_not_held_up_by_what_the_node_says_that_it_does_not_enforce(self, site: Site) -> None:
        await site.rental.run("UPDATE node SET capabilities = '[]'")
        site.node.weak |= {"cpu", "memory", "network"}
        await site.do("maintenance", **REASON)
        await site.do("self-test")
        await site.work()
        test = (await site.shown())["self_test"]
        assert (test["passed"], [one["passed"] for one in test["checks"]]) == (True, [True, None, None, None, True])

    async def test_cannot_end_while_the_node_is_away(self, site: Site) -> None:
        await site.do("maintenance", **REASON)
        await site.rental.run("UPDATE node SET self_tested_at = clock_timestamp(), resumes_as = state")
        await site.rental.run("UPDATE node SET state = 'offline'")
        assert "does not answer" in await site.refused("put-back", **REASON)
        assert "does not answer" in await site.refused("self-test")


class TestQuarantine:
    async def test_keeps_customers_away_and_lets_what_runs_go_on(self, site: Site) -> None:
        running = await site.rental.running()
        assert await site.do("quarantine", **REASON) == "quarantined"
        assert "The node is quarantined." in await site.refused("quarantine", **REASON)
        assert await site.available() == 0
        assert (await site.rental.row(running)).state == "active"
        await site.rental.observe()
        assert (await site.rental.row(running)).state == "active"

    async def test_of_a_node_that_is_away_waits_for_it(self, site: Site) -> None:
        await site.rental.run("UPDATE node SET state = 'offline'")
        assert await site.do("quarantine", **REASON) == "offline"
        assert await site.rental.all("SELECT resumes_as FROM node") == ["quarantined"]
        assert (await site.audited("node.quarantined"))["resumes_as"] == "quarantined"


class TestRetiring:
    async def test_waits_until_nothing_lives_there(self, site: Site) -> None:
        running = await site.rental.running()
        assert "Cordon or drain it first." in await site.refused("retire", **REASON)
        await site.do("cordon")
        assert "Something still lives on it" in await site.refused("retire", **REASON)
        await site.rental.release(running)
        await site.rental.work_until(running, "released")
        assert await site.do("retire", **REASON) == "retired"

    async def test_is_for_good(self, site: Site) -> None:
        await site.do("cordon")
        await site.do("self-test")
        await site.ask("join-token")
        certificate = """
            INSERT INTO issued_certificate
                   (kind, ca_public_key, key_id, principals, fingerprint, subject, valid_after, valid_before)
            VALUES ('host', 'k', 'k', '{north}', 'f', :id, now(), now() + interval '1 hour')
        """
        await site.rental.run(certificate, id=site.rental.node_id)
        async with site.web.database.transaction() as session:
            for kind in (NODE, TRUST, TRIAL, UPGRADE):
                await leases.make_due(session, kind, site.rental.node_id, place=site.rental.node_id)
        await site.do("drain", **REASON, deadline_seconds=60, credit_seconds=0)
        await site.do("retire", **REASON)
        shown = await site.shown()
        assert {one["name"] for one in shown["actions"] if one["allowed"]} == {"quarantine_gpu"}
        assert (shown["self_test"]["passed"], shown["drain"]) == (False, None)
        assert await site.rental.all("SELECT revoked_at IS NOT NULL FROM issued_certificate") == [True]
        assert await site.rental.all("SELECT kind FROM work WHERE place = :id", id=site.rental.node_id) == []
        assert await site.rental.all("SELECT 1 FROM join_token WHERE expires_at > clock_timestamp()") == []
        place = {"address": "elsewhere.example"}
        moved = await site.operator.patch(f"/api/v1/admin/nodes/{site.rental.node_id}", json=place)
        assert moved.status_code == 409

    async def test_closes_what_was_found_on_it_and_of_its_helper(self, site: Site) -> None:
        node_id, now = site.rental.node_id, datetime.now(UTC)
        async with site.web.database.transaction() as session:
            await nodes.note_strangers(session, node_id, {("al-left", 200_123)}, now)
            damaged = [UnreadableRecord("al_damaged", "no JSON")]
            await damaged_records.note_unreadable(session, node_id, damaged, now)
            trouble = [{"code": "gpus_unreadable", "detail": "nvidia-smi hangs", "since": now.isoformat()}]
            await session.execute(update(node).values(gpu_trouble=trouble, helper_version="0.0.1"))
            [gpu] = (await nodes.get(session, node_id)).gpus
            fallen = GpuFinding("xid_79", Severity.QUARANTINE, "fell off", "look", since=now, at=now, xid=79)
            facts = asdict(GpuFacts(bus="0", uuid=gpu.uuid, answers=False)) | {"slowed_by": []}
            health = {"facts": facts, "findings": [fallen.stored()], "boot_id": "b", "record": 0, "seen_at": now}
            await session.execute(insert(gpu_health_table).values(uuid=gpu.uuid, **health))

        async def found() -> tuple[int, ...]:
            async with site.web.database.reading() as session:
                return (
                    len(await nodes.strangers(session)),
                    len(await damaged_records.damaged_records(session)),
                    len(await gpu_health.troubles(session)),
                    len(await helper_versions.drifted(session, limit=9, after_name=None)),
                    len(await helper_versions.counts(session)),
                )

        assert await found() == (1, 1, 2, 1, 1)
        await site.do("cordon")
        await site.do("retire", **REASON)
        assert await found() == (0, 0, 0, 0, 0)
        async with site.web.database.transaction() as session:
            assert await helper_versions.judge(session) == 0

    async def test_leaves_its_address_to_another_machine_and_keeps_its_name(self, site: Site) -> None:
        await site.do("cordon")
        await site.do("retire", **REASON)
        place = {"address": "north.node.example", "port": 22}
        added = [
            await site.operator.post("/api/v1/admin/nodes", json={"name": name, **place}) for name in ("north", "n2")
        ]
        assert [answer.status_code for answer in added] == [409, 201]

    async def test_is_left_alone_by_whoever_looks_for_nodes_that_are_away(self, site: Site) -> None:
        await site.do("cordon")
        await site.do("retire", **REASON)
        await site.rental.run(
            "UPDATE node SET last_seen_at = clock_timestamp() - interval '1 day', misses = 9, failure = '{}'"
        )
        observer = Observer(
            site.web.database, site.rental.backend, Settings(data_directory=site.web.settings.data_directory)
        )
        async with site.web.database.transaction() as session:
            assert await observer.note_offline(session) == []
            state = (await session.execute(text("SELECT state FROM node"))).scalar_one()
        assert state == "retired"
