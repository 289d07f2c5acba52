"""Another helper comes to one node first, and to the others only once that one was tried and is well."""

import hashlib
from typing import Any

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.errors import Conflict, NotFound
from sublet.core.work import leases
from sublet.core.work.reconciler import Reconciler
from sublet.fleet import departure, helper_rollouts, helper_upgrades, helper_versions, nodes
from sublet.fleet.node_helper import Helper
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.ssh_backend import SshBackend
from sublet.fleet.work import UPGRADE
from tests.fleet.conftest import OPERATOR, Joining
from tests.fleet.fake_node import FakeNode
from tests.fleet.working import look_at

pytestmark = pytest.mark.anyio

OLD, NEW = Helper("0.2.0", "a" * 64, b"old"), Helper("0.3.0", hashlib.sha256(b"new").hexdigest(), b"new")


class Helped:
    """A fake node whose helper can be replaced, as a real one's."""

    def __init__(self, node: Node, fake: FakeNode, helper: Helper = OLD) -> None:
        self.node, self.fake = node, fake
        self.helper, self.earlier, self.on_trial = helper, helper, False
        self.probed = fake.answers["probe"]
        for verb in ("probe", "upgrade", "confirm_upgrade", "undo_upgrade"):
            fake.answers[verb] = getattr(self, verb)

    @property
    def asked(self) -> list[str]:
        """Verbs of an upgrade, in order."""
        return [one["verb"] for one in self.fake.requests if one["verb"].endswith("upgrade")]

    def probe(self, request: dict[str, Any]) -> dict[str, Any]:
        return {**self.probed(request), "helper_version": self.helper.version, "helper_sha256": self.helper.sha256}

    def upgrade(self, request: dict[str, Any]) -> dict[str, Any]:
        params = request["params"]
        assert params["confirm_seconds"] == helper_upgrades.CONFIRM_SECONDS
        self.earlier, self.on_trial = self.helper, True
        self.helper = Helper(params["version"], params["sha256"], b"")
        return self.standing()

    def confirm_upgrade(self, _request: dict[str, Any]) -> dict[str, Any]:
        self.on_trial = False
        return self.standing()

    def undo_upgrade(self, _request: dict[str, Any]) -> dict[str, Any]:
        if self.on_trial:
            self.helper, self.on_trial = self.earlier, False
        return self.standing()

    def standing(self) -> dict[str, Any]:
        return {"helper_sha256": self.helper.sha256, "on_trial": self.on_trial}


class Fleet:
    """Nodes with the old helper, and a worker that upgrades them."""

    def __init__(self, database: Database, backend: SshBackend, helped: list[Helped]) -> None:
        self.database, self.helped = database, helped
        self.worker = Reconciler(database, [helper_upgrades.work(backend)])

    async def start(self, canary: Helped) -> helper_rollouts.Rollout:
        async with self.database.transaction() as session:
            return await helper_rollouts.start(session, OPERATOR, canary.node.id)

    async def work(self) -> int:
        """Let the worker do what is due, once; how many nodes."""
        done = await self.worker.sweep()
        await self.worker.drain()
        return done

    async def due(self) -> None:
        async with self.database.transaction() as session:
            await session.execute(text("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'upgrade'"))

    async def latest(self) -> helper_rollouts.Rollout:
        async with self.database.reading() as session:
            found = await helper_rollouts.latest(session)
        assert found is not None
        return found

    async def get(self, helped: Helped) -> Node:
        async with self.database.reading() as session:
            return await nodes.get(session, helped.node.id)


@pytest.fixture
async def fleet(
    join_node: Joining,
    observer: Observer,
    database: Database,
    backend: SshBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> Fleet:
    """Two nodes that are ready, with the helper before ours."""
    monkeypatch.setattr(helper_versions, "ours", lambda: NEW)
    helped = [Helped(*await join_node(name)) for name in ("north", "south")]
    for one in helped:
        assert await look_at(observer, one.node.id)
    return Fleet(database, backend, helped)


class TestARollout:
    async def test_reaches_the_others_only_after_the_canary_was_probed_entered_and_confirmed(
        self, fleet: Fleet
    ) -> None:
        canary, other = fleet.helped
        begun = await fleet.start(canary)
        assert (begun.phase, begun.counts, begun.canary.node_name) == ("canary", {"waiting": 2}, "north")
        applied = len([one for one in canary.fake.requests if one["verb"] == "apply"])
        async with fleet.database.transaction() as session:  # nobody can have it done before its turn
            await leases.make_due(session, UPGRADE, other.node.id, place=other.node.id)
        assert await fleet.work() == 2
        assert canary.asked == ["upgrade", "confirm_upgrade"]
        assert len([one for one in canary.fake.requests if one["verb"] == "apply"]) == applied + 1
        assert (canary.helper.sha256, canary.on_trial) == (NEW.sha256, False)
        assert other.asked == []
        assert (await fleet.latest()).phase == "rolling"
        assert await fleet.work() == 1
        assert other.helper.sha256 == NEW.sha256
        ended = await fleet.latest()
        assert (ended.phase, ended.counts) == ("done", {"done": 2})
        assert (await fleet.get(other)).helper_version == "0.3.0"
        async with fleet.database.reading() as session:
            told = text("SELECT action FROM audit_event WHERE action LIKE '%helper%' ORDER BY action")
            audited = (await session.execute(told)).scalars().all()
        assert audited == ["helper_rollout.started", "node.helper_upgraded", "node.helper_upgraded"]

    @pytest.mark.parametrize("fault", ["answers as another", "lets nobody in", "refuses it", "answers no probe"])
    async def test_is_undone_on_a_canary_that_fails_and_reaches_nobody_else(self, fleet: Fleet, fault: str) -> None:
        canary, other = fleet.helped
        if fault == "answers as another":
            canary.fake.answers["probe"] = lambda request: {**canary.probe(request), "helper_version": "0.2.9"}
        elif fault == "lets nobody in":
            canary.fake.keeps_out = "pam_refused"
        elif fault == "refuses it":
            refusal = {"code": "helper_refused", "message": "it does not run here", "retryable": False}
            canary.fake.answers["upgrade"] = lambda _: {"error": refusal}
        else:
            canary.fake.answers["probe"] = lambda _: b"garbage\n"
        await fleet.start(canary)
        await fleet.work()
        assert (canary.helper, canary.on_trial) == (OLD, False)
        stopped = await fleet.latest()
        assert (stopped.phase, stopped.counts) == ("stopped", {"failed": 1, "left": 1})
        assert stopped.reason is not None
        assert stopped.reason.startswith("north: ")
        await fleet.due()
        assert await fleet.work() == 0
        assert other.asked == []
        assert (await fleet.get(canary)).helper_version == "0.2.0"

    async def test_waits_where_an_allocation_is_being_changed_and_goes_on_after_it(self, fleet: Fleet) -> None:
        canary, _ = fleet.helped
        busy = {"code": "busy", "message": "an allocation is being changed", "retryable": True}
        canary.fake.answers["upgrade"] = lambda _: {"error": busy}
        await fleet.start(canary)
        await fleet.work()
        assert (await fleet.latest()).phase == "canary"
        canary.fake.answers["upgrade"] = canary.upgrade
        await fleet.due()
        await fleet.work()
        assert (await fleet.latest()).phase == "rolling"

    async def test_is_taken_up_again_after_a_worker_died_between_upgrade_and_confirmation(self, fleet: Fleet) -> None:
        canary, _ = fleet.helped
        await fleet.start(canary)
        canary.helper, canary.on_trial = NEW, True  # the node took it, and nobody was told
        canary.fake.answers["upgrade"] = lambda _: canary.standing()
        await fleet.work()
        assert (canary.helper, canary.on_trial) == (NEW, False)

    async def test_is_stopped_by_an_operator_and_leaves_the_rest_as_they_are(self, fleet: Fleet) -> None:
        canary, other = fleet.helped
        rollout = await fleet.start(canary)
        await fleet.work()
        async with fleet.database.transaction() as session:
            stopped = await helper_rollouts.stop(session, OPERATOR, rollout.id, reason="wrong day")
        assert (stopped.phase, stopped.reason, stopped.counts) == ("stopped", "wrong day", {"done": 1, "left": 1})
        await fleet.work()
        assert other.asked == []
        async with fleet.database.transaction() as session:
            with pytest.raises(Conflict, match="stopped already"):
                await helper_rollouts.stop(session, OPERATOR, rollout.id, reason="again")

    async def test_gives_up_on_a_canary_that_is_not_there(self, fleet: Fleet) -> None:
        canary, _ = fleet.helped
        await fleet.start(canary)
        await canary.fake.stop()
        for _ in range(helper_upgrades.ATTEMPTS):
            await fleet.due()
            await fleet.work()
        assert (await fleet.latest()).phase == "stopped"

    @pytest.mark.parametrize("lost", ["probe", "confirm_upgrade"])
    async def test_goes_on_where_one_answer_is_lost(self, fleet: Fleet, lost: str) -> None:
        canary, _ = fleet.helped
        answer, cut = canary.fake.answers[lost], []

        def once(request: dict[str, Any]) -> Any:
            said = answer(request)
            if not cut:
                cut.append(lost)
                canary.fake.cut()
            return said

        canary.fake.answers[lost] = once
        await fleet.start(canary)
        await fleet.work()
        assert cut == [lost]
        assert (await fleet.latest()).phase == "canary"
        assert "undo_upgrade" not in canary.asked
        await canary.fake.restart()
        await fleet.due()
        await fleet.work()
        assert (canary.helper.sha256, canary.on_trial) == (NEW.sha256, False)
        assert (await fleet.latest()).phase == "rolling"

    async def test_goes_on_without_a_node_that_is_none_any_more(self, fleet: Fleet) -> None:
        canary, other = fleet.helped
        await fleet.start(canary)
        await fleet.work()
        assert (await fleet.latest()).phase == "rolling"
        async with fleet.database.transaction() as session:
            await departure.close(session, other.node.id, reason="the node was retired")
        ended = await fleet.latest()
        assert (ended.phase, ended.counts) == ("done", {"done": 1, "left": 1})

    async def test_waits_for_the_first_when_another_is_no_node_any_more(self, fleet: Fleet) -> None:
        canary, other = fleet.helped
        await fleet.start(canary)
        async with fleet.database.transaction() as session:
            await departure.close(session, other.node.id, reason="the node was retired")
        assert ((await fleet.latest()).phase, (await fleet.latest()).counts) == ("canary", {"waiting": 1, "left": 1})
        await fleet.work()
        assert (await fleet.latest()).phase == "done"

    async def test_is_stopped_where_the_first_is_no_node_any_more(self, fleet: Fleet) -> None:
        canary, _ = fleet.helped
        await fleet.start(canary)
        async with fleet.database.transaction() as session:
            await departure.close(session, canary.node.id, reason="the node was retired")
        ended = await fleet.latest()
        assert (ended.phase, ended.reason) == ("stopped", "north: it is no node any more")
        assert ended.counts == {"left": 2}

    async def test_passes_by_machines_that_are_retired(self, fleet: Fleet) -> None:
        canary, other = fleet.helped
        async with fleet.database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'cordoned' WHERE name = 'south'"))
            await session.execute(text("UPDATE node SET state = 'retired' WHERE name = 'south'"))
        with pytest.raises(Conflict, match="is retired"):
            await fleet.start(other)
        assert (await fleet.start(canary)).counts == {"waiting": 1}

    async def test_is_one_at_a_time_and_begins_where_it_can_be_tried(self, fleet: Fleet) -> None:
        canary, other = fleet.helped
        async with fleet.database.transaction() as session:
            await session.execute(
                text("UPDATE node SET helper_sha256 = :ours WHERE name = 'south'"), {"ours": NEW.sha256}
            )
        with pytest.raises(Conflict, match="it is current"):
            await fleet.start(other)
        async with fleet.database.transaction() as session:
            await session.execute(text("UPDATE node SET helper_version = '0.1.0' WHERE name = 'south'"))
        with pytest.raises(Conflict, match="join-token south"):
            await fleet.start(other)
        await fleet.start(canary)
        with pytest.raises(Conflict, match="already"):
            await fleet.start(canary)


class TestOperators:
    async def test_read_of_every_rollout_what_became_of_each_node(self, fleet: Fleet) -> None:
        canary, other = fleet.helped
        first = await fleet.start(canary)
        async with fleet.database.transaction() as session:
            await helper_rollouts.stop(session, OPERATOR, first.id, reason="wrong day")
        other.fake.keeps_out = "pam_refused"
        second = await fleet.start(canary)
        await fleet.work()
        await fleet.work()
        async with fleet.database.reading() as session:
            newest = await helper_rollouts.newest(session, before=None, limit=5)
            earlier = await helper_rollouts.newest(session, before=second.id, limit=5)
            north, south = await helper_rollouts.progress(session, second.id, after=("", ""), limit=5)
            after_it = await helper_rollouts.progress(session, second.id, after=("north", north.node_id), limit=5)
            with pytest.raises(NotFound):
                await helper_rollouts.progress(session, "hro_none", after=("", ""), limit=5)
        assert [(one.id, one.phase) for one in newest] == [(second.id, "stopped"), (first.id, "stopped")]
        assert [(one.id, one.counts, one.failed) for one in earlier] == [(first.id, {"left": 2}, ())]
        assert newest[0].failed == (south,)
        assert after_it == [south]
        assert [(one.node_name, one.canary, one.outcome) for one in (north, south)] == [
            ("north", True, "done"),
            ("south", False, "failed"),
        ]
        assert (south.detail is None, south.ended_at is None) == (False, False)

    async def test_are_told_nothing_of_the_helpers_of_nodes_that_are_gone(self, fleet: Fleet) -> None:
        canary, _ = fleet.helped
        async with fleet.database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'cordoned' WHERE name = 'south'"))
            await session.execute(text("UPDATE node SET state = 'retired' WHERE name = 'south'"))
            drifted = await helper_versions.drifted(session, limit=5, after_name=None)
            assert [one.id for one in drifted] == [canary.node.id]
            assert [nodes_ for _, _, nodes_ in await helper_versions.counts(session)] == [1]
            await session.execute(
                text("UPDATE node SET state = 'offline', host_public_key = NULL, removed_at = now() WHERE id = :id"),
                {"id": canary.node.id},
            )
            assert await helper_versions.drifted(session, limit=5, after_name=None) == []
            assert await helper_versions.counts(session) == []


class TestAnOldHelper:
    async def test_below_the_minimum_closes_its_node_until_another_one_is_there(
        self, fleet: Fleet, observer: Observer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        north, south = fleet.helped
        assert (await fleet.get(north)).closed is None
        monkeypatch.setattr(helper_versions, "MINIMUM", "0.2.10")
        async with fleet.database.transaction() as session:
            assert await helper_versions.judge(session) == 2
            assert await helper_versions.judge(session) == 0
        assert [(await fleet.get(one)).closed for one in (north, south)] == ["old_helper"] * 2
        async with fleet.database.reading() as session:
            ready = text("SELECT count(*) FROM node_room WHERE accepts_until > clock_timestamp()")
            assert (await session.execute(ready)).scalar_one() == 0
        north.helper = NEW
        probe = await observer.backend.probe(north.node.id)
        async with fleet.database.transaction() as session:
            await nodes.store_probe(session, north.node.id, probe, clock_skew_seconds=0)
        assert [(await fleet.get(one)).closed for one in (north, south)] == [None, "old_helper"]

    def test_is_older_by_number_and_not_by_letter(self) -> None:
        assert helper_versions.is_older("0.9.0", "0.10.0")
        assert not helper_versions.is_older("0.10.0", "0.9.0")
        assert not helper_versions.is_older("0.2.0", "0.2.0")
        assert helper_versions.is_older("not a version", "0.0.1")
