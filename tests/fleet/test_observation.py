"""Every node is looked at over and over; a listing that cannot be whole is an error, never "nothing exists"."""

import asyncio
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.settings import Settings
from sublet.core.work.reconciler import Reconciler
from sublet.fleet import answers, damaged_records, enrolment, gpu_quarantine, nodes, observation, states
from sublet.fleet.backend import GpuFacts, Observation
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.moved_gpus import nothing_known
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.ssh_backend import SshBackend
from sublet.fleet.states import GpuState, NodeState
from tests.fleet.conftest import OPERATOR, Joining, claimed_by_nobody
from tests.fleet.fake_node import PROBE, SPACE, Answer, FakeNode, now
from tests.fleet.seen import Seen, get
from tests.fleet.working import look, look_at, note_offline

pytestmark = pytest.mark.anyio

ONE = {
    "allocation": "al_aaaaaaaaaaaaaaaa",
    "login": "al-aaaaaaaaaaaaaaaa",
    "uid": 200000,
    "generation": 1,
    "state": "active",
    "processes": 3,
    "login_open": True,
}


def shows(fake: FakeNode, gpu_uuid: str) -> None:
    """Let the node answer that it has this GPU."""
    gpus = [{**PROBE["gpus"][0], "uuid": gpu_uuid}]
    fake.answers["probe"] = lambda _: {**PROBE, "gpus": gpus, "boot_id": fake.boot_id, "time": now()}


def _with_gpus(answer: Answer, gpus: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """What the node answers, and what it says of its GPUs."""
    return {**answer(request), "gpus": gpus}


async def long_ago(database: Database, node_id: str) -> None:
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE node SET last_seen_at = last_seen_at - interval '1 hour' WHERE id = :id"), {"id": node_id}
        )


class TestLooking:
    async def test_hands_on_what_was_seen_dated_before_it_was_asked(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        fake.allocations = [ONE]
        seen = Seen()
        observer.on_observed.append(seen)
        asked: list[datetime] = []

        async def answer(_request: dict[str, Any]) -> dict[str, Any]:
            async with database.reading() as session:
                asked.append(await database_now(session))
            return {"boot_id": "boot-1", "time": now(), **SPACE, "allocations": [ONE], "unknown": []}

        fake.answers["observe"] = answer
        assert await look(database, observer, node.id)
        assert seen.observations[0].observed_at < asked[0]
        found = seen.observations[0].allocation("al_aaaaaaaaaaaaaaaa")
        assert found is not None
        assert found.processes == 3
        assert (await get(database, node.id)).last_seen_at == seen.observations[0].observed_at

    async def test_dates_an_error_of_a_gpu_after_the_look_before(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        """By its own time it was before that; but the look before did not see it."""
        node, fake = ready_node
        uuid, quick = (await get(database, node.id)).gpus[0].uuid, fake.answers["observe"]
        card = {**asdict(GpuFacts(bus="", uuid=uuid, answers=True)), "slowed_by": []}
        error = {"number": 1, "at": "2020-01-01T00:00:00Z", "bus": "", "uuid": uuid, "xid": 48, "text": ""}
        for xids in ([], [error]):
            gpus = {"cards": [card], "failure": None, "xids": xids}
            fake.answers["observe"] = partial(_with_gpus, quick, gpus)
            before = (await get(database, node.id)).last_seen_at
            assert await look(database, observer, node.id)
        async with database.reading() as session:
            told = text(
                "SELECT (data ->> 'at')::timestamptz FROM outbox_event "
                "WHERE type = 'gpu.erred' AND data ->> 'code' = 'xid_48'"
            )
            assert (await session.execute(told)).scalars().all() == [before]

    @pytest.mark.parametrize("step", [60.0, -60.0])
    async def test_compares_the_nodes_clock_each_time(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, step: float
    ) -> None:
        node, fake = ready_node
        fake.ahead = timedelta(seconds=step)
        assert await look(database, observer, node.id)
        assert (await get(database, node.id)).clock_skew_seconds == pytest.approx(step, abs=5.0)
        fake.ahead = timedelta(0)
        assert await look(database, observer, node.id)
        assert (await get(database, node.id)).clock_skew_seconds == 0.0

    async def test_takes_no_slow_answer_for_a_wrong_clock(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        quick = fake.answers["observe"]

        async def answer(request: dict[str, Any]) -> dict[str, Any]:
            async with database.reading() as session:
                await session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": 1.2 * observation.CLOCK_SECONDS})
            return dict(quick(request))

        fake.answers["observe"] = answer
        assert await look(database, observer, node.id)
        assert (await get(database, node.id)).clock_skew_seconds == pytest.approx(0.0, abs=0.5)

    async def test_of_a_node_that_shows_anothers_gpu_says_why_it_takes_no_work(
        self, ready_node: tuple[Node, FakeNode], join_node: Joining, observer: Observer, database: Database
    ) -> None:
        north, _ = ready_node
        south, fake = await join_node("south")
        shows(fake, "GPU-north-0")
        assert not await look_at(observer, south.id)
        found = await get(database, south.id)
        assert found.state is NodeState.ENROLLING
        assert found.failure is not None
        assert found.failure.code == "machine_already_enrolled"
        assert [gpu.uuid for gpu in (await get(database, north.id)).gpus] == ["GPU-north-0"]

    async def test_of_a_node_that_has_joined_finds_the_gpu_that_was_missing_elsewhere(
        self, ready_node: tuple[Node, FakeNode], join_node: Joining, observer: Observer, database: Database
    ) -> None:
        observer.claims_on = claimed_by_nobody
        north, _ = ready_node
        async with database.transaction() as session:
            await session.execute(text("UPDATE gpu SET state = 'missing'"))
        south, fake = await join_node("south")
        shows(fake, "GPU-north-0")
        assert await look_at(observer, south.id)
        found = await get(database, south.id)
        assert found.state is NodeState.READY
        assert ("GPU-north-0", "available") in [(gpu.uuid, gpu.state) for gpu in found.gpus]
        assert (await get(database, north.id)).gpus == ()

    async def test_only_one_of_many_workers_looks(
        self, ready_node: tuple[Node, FakeNode], database: Database, backend: SshBackend, settings: Settings
    ) -> None:
        node, fake = ready_node
        fake.requests.clear()
        async with database.transaction() as session:
            await observation.make_due(session, node.id)
        works = [observation.Observer(database, backend, settings).work() for _ in range(4)]
        workers = [Reconciler(database, [work]) for work in works]
        counts = await asyncio.gather(*(worker.sweep() for worker in workers))
        await asyncio.gather(*(worker.drain() for worker in workers))
        assert sum(counts) == 1
        assert len(fake.requests) == 1

    async def test_a_node_that_hangs_delays_no_other(
        self, ready_node: tuple[Node, FakeNode], join_node: Joining, observer: Observer, database: Database
    ) -> None:
        hanging, fake = ready_node
        other, _ = await join_node("south")
        assert await look_at(observer, other.id)
        fake.hung.set()
        seen = Seen()
        observer.on_observed.append(seen)
        async with database.transaction() as session:
            await observation.make_due(session, hanging.id)
            await observation.make_due(session, other.id)
        worker = Reconciler(database, [observer.work()])
        assert await worker.sweep() == 2
        async with asyncio.timeout(5):
            while not seen.observations:
                await asyncio.sleep(0.01)
        await worker.stop(grace_seconds=0)
        assert [item.node_id for item in seen.observations] == [other.id]

    async def test_a_handler_that_fails_is_not_the_nodes_fault(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        async def broken(_node_id: str, _seen: Observation) -> None:
            raise ValueError("no")

        seen = Seen()
        observer.on_observed.extend([broken, seen])
        assert await look(database, observer, ready_node[0].id)
        assert len(seen.observations) == 1


class TestBeingLost:
    async def test_a_node_not_seen_for_long_is_offline_and_comes_back_as_it_was(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        async with database.transaction() as session:
            await states.stand(session, OPERATOR, node.id, NodeState.CORDONED, reason="test")
        await fake.stop()
        assert not await look(database, observer, node.id)
        assert not await look(database, observer, node.id)
        assert await note_offline(observer) == []
        await long_ago(database, node.id)
        assert await note_offline(observer) == [node.id]
        assert (await get(database, node.id)).state is NodeState.OFFLINE
        await fake.start()
        assert await look(database, observer, node.id)
        assert (await get(database, node.id)).state is NodeState.CORDONED
        async with database.reading() as session:
            moves = [(item.from_state, item.to_state) for item in await nodes.history(session, node.id)]
        assert moves[:2] == [("offline", "cordoned"), ("cordoned", "offline")]

    async def test_one_that_joined_anew_and_never_answered_is_offline_until_it_is_verified(
        self,
        ready_node: tuple[Node, FakeNode],
        observer: Observer,
        database: Database,
        authority: CertificateAuthority,
        settings: Settings,
    ) -> None:
        node, fake = ready_node
        signer = await authority.host_signer()
        async with database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, node.id, settings=settings)
            probe = {**PROBE, "gpus": [{**PROBE["gpus"][0], "uuid": "GPU-north-0"}], "time": now()}
            await enrolment.join(
                session,
                token=again.token,
                host_public_key=fake.host_public_key,
                inventory=answers.Probed.model_validate(probe).to_probe(),
                signer=signer,
                settings=settings,
                claims_on=nothing_known,
            )
        await fake.stop()
        assert not await look(database, observer, node.id)
        assert not await look(database, observer, node.id)
        await long_ago(database, node.id)
        assert await note_offline(observer) == [node.id]
        await fake.start()
        fake.requests.clear()
        assert await look(database, observer, node.id)
        assert [request["verb"] for request in fake.requests] == ["probe", "apply", "release"]
        assert (await get(database, node.id)).state is NodeState.READY

    async def test_one_that_cannot_read_a_record_is_seen_and_its_records_are_kept(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        answer = fake.answers["observe"]

        async def one_expected(_session: Session, _node_id: str) -> int:
            return 1

        observer.expected = one_expected
        fake.answers["observe"] = lambda request: {
            **answer(request),
            "unreadable": [{"allocation": "al_aaaaaaaaaaaaaaaa", "detail": "The record is damaged."}],
        }
        assert await look(database, observer, node.id)
        async with database.reading() as session:
            [found] = await damaged_records.damaged_records(session)
        assert (found.node_name, found.allocation_id, found.detail) == (
            *("north", "al_aaaaaaaaaaaaaaaa", "The record is damaged."),
        )
        fake.answers["observe"] = answer
        assert not await look(database, observer, node.id), "an empty listing is believed no more than before"

    async def test_one_with_a_gpu_that_does_not_answer_keeps_that_alone_from_customers(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        answer = fake.answers["observe"]
        assert [one.state for one in node.gpus] == [GpuState.AVAILABLE]
        fake.answers["observe"] = lambda request: {
            **answer(request),
            "gpus": {"cards": [], "failure": None, "xids": []},
        }
        assert await look(database, observer, node.id)
        after = await get(database, node.id)
        assert ([one.state for one in after.gpus], after.state) == ([GpuState.QUARANTINED], NodeState.READY)

    async def test_one_that_missed_a_single_look_is_not_offline(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        await fake.stop()
        assert not await look(database, observer, node.id)
        await long_ago(database, node.id)
        assert await note_offline(observer) == []

    async def test_one_that_never_answered_waits(
        self, join_node: Joining, observer: Observer, database: Database
    ) -> None:
        node, fake = await join_node()
        await fake.stop()
        assert not await look(database, observer, node.id)
        assert not await look(database, observer, node.id)
        assert await note_offline(observer) == []
        assert (await get(database, node.id)).state is NodeState.ENROLLING

    async def test_one_away_for_days_is_still_noted_and_tried_again(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        await fake.stop()
        async with database.transaction() as session:
            await session.execute(
                text("UPDATE work SET attempts = 20000 WHERE kind = 'node' AND id = :id"), {"id": node.id}
            )
        assert not await look(database, observer, node.id)
        failure = (await get(database, node.id)).failure
        assert failure is not None
        assert failure.code == "node_unreachable"
        async with database.reading() as session:
            wait = await session.execute(
                text("SELECT due_at - failed_at FROM work WHERE kind = 'node' AND id = :id"), {"id": node.id}
            )
        assert timedelta(seconds=-1) < wait.scalar_one() <= timedelta(seconds=31), "anything up to the longest wait"

    async def test_a_control_plane_that_slept_blames_no_node(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, _ = ready_node
        await long_ago(database, node.id)
        assert await note_offline(observer) == []
        assert await look(database, observer, node.id)
        assert (await get(database, node.id)).state is NodeState.READY


class TestQuarantine:
    async def test_keeps_a_gpu_until_it_is_proven_clean(
        self, ready_node: tuple[Node, FakeNode], database: Database
    ) -> None:
        node, _ = ready_node
        async with database.transaction() as session:
            assert await gpu_quarantine.keep_unclean(session, ["GPU-north-0"]) == 1
            assert await gpu_quarantine.keep_unclean(session, ["GPU-north-0"]) == 0
            assert [gpu.state for gpu in (await nodes.get(session, node.id)).gpus] == [GpuState.QUARANTINED]
            assert await gpu_quarantine.give_out_clean(session, ["GPU-north-0"]) == 1
