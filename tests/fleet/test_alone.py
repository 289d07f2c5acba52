"""Nodes fail alone: looks have a channel of their own, deadlines count from sending, and who is away is left alone."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import breaker, checklist, connection, nodes, observation
from sublet.fleet.breaker import Breaker
from sublet.fleet.errors import NodeCrowded, NodeFailure, NodePaused, NodeTimedOut, NodeUnreachable
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.pool import NodePool
from tests.fleet.fake_node import FakeNode
from tests.fleet.working import look

pytestmark = pytest.mark.anyio

Request = dict[str, Any]


def hang(fake: FakeNode, verb: str) -> asyncio.Event:
    """Let a verb be answered only once the event is set."""
    free = asyncio.Event()
    answer = fake.answers.get(verb, lambda _: {})

    async def wait(request: Request) -> Any:
        await free.wait()
        return answer(request)

    fake.answers[verb] = wait
    return free


class TestALook:
    async def test_waits_for_no_other_request(self, ready_node: tuple[Node, FakeNode], pool: NodePool) -> None:
        node, fake = ready_node
        free = hang(fake, "usage")
        stuck = [asyncio.create_task(pool.request(node.id, "usage")) for _ in range(2 * connection.CHANNELS)]
        while len([one for one in fake.requests if one["verb"] == "usage"]) < connection.CHANNELS:
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert (await pool.request(node.id, "observe"))["boot_id"] == "boot-1"
        free.set()
        await asyncio.gather(*stuck)

    async def test_holds_up_no_other_request(self, ready_node: tuple[Node, FakeNode], pool: NodePool) -> None:
        node, fake = ready_node
        free = hang(fake, "observe")
        stuck = [asyncio.create_task(pool.request(node.id, "observe")) for _ in range(2 * connection.CHANNELS)]
        async with asyncio.timeout(5):
            assert (await pool.request(node.id, "probe"))["boot_id"] == "boot-1"
        free.set()
        await asyncio.gather(*stuck)
        assert fake.connections == 1

    async def test_tells_the_node_for_how_long_it_is_waited_for(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool
    ) -> None:
        node, fake = ready_node
        await pool.request(node.id, "observe")
        assert fake.requests[-1]["seconds"] == connection.VERB_SECONDS["observe"]
        await pool.request(node.id, "probe")
        assert "seconds" not in fake.requests[-1], "what may change something is not to be stopped"


class TestADeadline:
    async def test_counts_from_sending(self, ready_node: tuple[Node, FakeNode], pool: NodePool) -> None:
        node, fake = ready_node
        free = hang(fake, "usage")
        before = [asyncio.create_task(pool.request(node.id, "usage")) for _ in range(connection.CHANNELS)]
        while len([one for one in fake.requests if one["verb"] == "usage"]) < connection.CHANNELS:
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.4, free.set)
        assert await pool.request(node.id, "probe", timeout_seconds=0.3)
        await asyncio.gather(*before)

    async def test_bounds_the_wait_for_those_before_it(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node, fake = ready_node
        free = hang(fake, "observe")
        before = asyncio.create_task(pool.request(node.id, "observe"))
        while fake.requests[-1]["verb"] != "observe" or fake.requests[-1]["id"] is None:
            await asyncio.sleep(0)
        monkeypatch.setattr(connection, "PLACE_SECONDS", 0.05)
        with pytest.raises(NodeCrowded) as crowded:
            await pool.request(node.id, "observe")
        assert (crowded.value.sent, crowded.value.request_id) == (False, None)
        free.set()
        assert (await before)["boot_id"] == "boot-1"

    async def test_that_passed_names_the_request_for_the_nodes_log(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool
    ) -> None:
        node, fake = ready_node
        hang(fake, "trust")
        with pytest.raises(NodeTimedOut) as late:
            await pool.request(node.id, "trust", timeout_seconds=0.1)
        assert (late.value.sent, late.value.request_id) == (True, fake.requests[-1]["id"])

    async def test_that_the_node_itself_kept_leaves_the_channel_open(
        self, ready_node: tuple[Node, FakeNode], pool: NodePool
    ) -> None:
        node, fake = ready_node
        answer = fake.answers["observe"]
        refusal = {"code": "deadline_passed", "message": "observe took longer.", "retryable": True}
        fake.answers["observe"] = lambda _: {"error": refusal}
        with pytest.raises(NodeFailure) as refused:
            await pool.request(node.id, "observe")
        assert not isinstance(refused.value, NodeUnreachable)
        assert refused.value.request_id == fake.requests[-1]["id"]
        fake.answers["observe"] = answer
        assert (await pool.request(node.id, "observe"))["boot_id"] == "boot-1"
        assert fake.connections == 1


class TestANodeThatAnswersSlowly:
    async def test_is_said_to_and_stays_in_use(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node, _ = ready_node
        monkeypatch.setattr(observation, "SLOW_SECONDS", 0.0)
        assert await look(database, observer, node.id)
        async with database.reading() as session:
            found = await nodes.get(session, node.id)
            assert await nodes.is_fresh(session, node.id)
            misses = (await session.execute(text("SELECT misses FROM node"))).scalar_one()
        assert (found.failure and found.failure.code, found.closed, misses) == ("node_slow", None, 0)
        now = found.failure and found.last_seen_at
        assert now is not None
        steps = checklist.steps(found, token_expires_at=None, clock_skew_seconds=0.0, now=now)
        shown = next(step for step in steps if step.name == "connected_back")
        assert (shown.state, "answers, but slowly" in shown.detail) == ("done", True)
        monkeypatch.setattr(observation, "SLOW_SECONDS", 60.0)
        assert await look(database, observer, node.id)
        async with database.reading() as session:
            assert (await nodes.get(session, node.id)).failure is None

    async def test_is_believed_for_as_long_as_its_next_answer_takes(self, ready_node: tuple[Node, FakeNode]) -> None:
        asked_at, settings = ready_node[0].last_seen_at, Settings(observe_interval_seconds=5)
        assert asked_at is not None
        until = nodes.fresh_until(asked_at, settings, 25.0) - asked_at
        assert until.total_seconds() == 15 + 2 * 25

    async def test_is_no_longer_seen_when_it_does_not_answer_in_time_at_all(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        refusal = {"code": "deadline_passed", "message": "observe took longer.", "retryable": True}
        fake.answers["observe"] = lambda _: {"error": refusal}
        assert not await look(database, observer, node.id)
        async with database.reading() as session:
            failure = (await nodes.get(session, node.id)).failure
        assert failure is not None
        assert failure.code == "deadline_passed"


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The breaker's clock; pauses are exact."""
    clock = Clock()
    monkeypatch.setattr(breaker, "time", clock)
    monkeypatch.setattr(breaker, "spread", lambda seconds: seconds)
    return clock


class TestTheBreaker:
    def test_leaves_a_node_alone_for_a_growing_time(self, clock: Clock) -> None:
        one = Breaker()
        for _ in range(breaker.FAILURES - 1):
            one.note_failure("nd_a")
            one.verify("nd_a")
        pauses = []
        for _ in range(6):
            one.note_failure("nd_a")
            with pytest.raises(NodePaused) as paused:
                one.verify("nd_a")
            pauses.append(paused.value.seconds)
            clock.now += paused.value.seconds
            one.verify("nd_a")
        assert pauses == [1, 2, 4, 8, 15, 15]

    def test_says_nothing_of_another_node_and_forgets_with_the_first_success(self, clock: Clock) -> None:
        one = Breaker()
        for _ in range(breaker.FAILURES):
            one.note_failure("nd_a")
        one.verify("nd_b")
        one.note_success("nd_a")
        one.note_failure("nd_a")
        one.verify("nd_a")
        assert clock.now == 1000.0

    async def test_answers_at_once_for_a_node_that_was_away_and_lets_it_come_back(
        self,
        ready_node: tuple[Node, FakeNode],
        pool: NodePool,
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        node, fake = ready_node
        monkeypatch.setattr(connection, "RETRY_FOR_SECONDS", 0.0)
        await fake.stop()
        for _ in range(breaker.FAILURES):
            with pytest.raises(NodeUnreachable) as away:
                await pool.request(node.id, "apply")
            assert not isinstance(away.value, NodePaused)
        await fake.start()
        connections = fake.connections
        with pytest.raises(NodePaused) as paused:
            await pool.request(node.id, "apply")
        assert fake.connections == connections
        assert paused.value.sent is False
        clock.now += paused.value.seconds
        assert (await pool.request(node.id, "observe"))["boot_id"] == "boot-1"
        assert fake.connections == connections + 1

    async def test_counts_no_refusal(self, ready_node: tuple[Node, FakeNode], pool: NodePool, clock: Clock) -> None:
        node, fake = ready_node
        fake.answers["apply"] = lambda _: {"error": {"code": "busy", "message": "No.", "retryable": True}}
        for _ in range(breaker.FAILURES):
            with pytest.raises(NodeFailure):
                await pool.request(node.id, "apply")
        assert (await pool.request(node.id, "observe"))["boot_id"] == "boot-1"
        assert clock.now == 1000.0
