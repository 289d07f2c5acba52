"""A node takes work only while a login that is made for it comes in as a customer does, and is gone again after it."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.settings import Settings
from sublet.fleet import answers, checklist, enrolment, nodes, trial
from sublet.fleet.backend import Observation
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.moved_gpus import nothing_known
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.states import NodeState
from tests.fleet.conftest import OPERATOR, Joining
from tests.fleet.fake_node import PROBE, FakeNode, now
from tests.fleet.working import look, look_at, try_again

pytestmark = pytest.mark.anyio

Ready = tuple[Node, FakeNode]


class Tried:
    """A node, what is known of it, and what was asked of it."""

    def __init__(self, database: Database, observer: Observer, node: Node, fake: FakeNode) -> None:
        self.database, self.observer, self.id, self.fake = database, observer, node.id, fake
        fake.requests.clear()

    async def now(self) -> Node:
        async with self.database.reading() as session:
            return await nodes.get(session, self.id)

    async def steps(self) -> dict[str, checklist.Step]:
        node = await self.now()
        async with self.database.reading() as session:
            moment = await database_now(session)
        found = checklist.steps(node, token_expires_at=None, clock_skew_seconds=0.0, now=moment)
        return {step.name: step for step in found}

    async def is_open(self) -> bool:
        """Whether placement may choose it."""
        statement = text("SELECT accepts_until > clock_timestamp() FROM node_room WHERE node_id = :id")
        async with self.database.reading() as session:
            return bool((await session.execute(statement, {"id": self.id})).scalar_one())

    async def look(self) -> bool:
        return await look(self.database, self.observer, self.id)

    async def try_again(self) -> None:
        await try_again(self.observer, self.id)

    async def ask(self) -> None:
        async with self.database.transaction() as session:
            await trial.ask(session, self.id)

    def verbs(self) -> list[str]:
        """What was asked since this was last said."""
        said = [request["verb"] for request in self.fake.requests]
        self.fake.requests.clear()
        return said


@pytest.fixture
async def joined(join_node: Joining, observer: Observer, database: Database) -> Tried:
    """A node that has joined, and was not looked at yet."""
    return Tried(database, observer, *await join_node())


@pytest.fixture
def ready(ready_node: Ready, observer: Observer, database: Database) -> Tried:
    """A node that takes work."""
    return Tried(database, observer, *ready_node)


class TestANodeThatNobodyCanEnter:
    async def test_does_not_become_ready_says_why_and_is_seen_all_the_same(self, joined: Tried) -> None:
        joined.fake.keeps_out = "user_not_allowed"
        seen: list[str] = []

        async def handler(node_id: str, _observation: Observation) -> None:
            seen.append(node_id)

        joined.observer.on_observed.append(handler)
        assert await look_at(joined.observer, joined.id)
        assert joined.verbs() == ["probe", "apply", "explain_entry", "release"]
        steps = await joined.steps()
        states = {name: steps[name].state for name in ("connected_back", "entry", "accepting_work")}
        assert states == {"connected_back": "done", "entry": "failed", "accepting_work": "waiting"}
        assert "user_not_allowed" in steps["entry"].detail
        assert "[as seen] Mend it." in steps["entry"].detail
        assert await joined.look()
        assert seen == [joined.id]
        assert (await joined.now()).state is NodeState.ENROLLING
        joined.fake.keeps_out = None
        await joined.try_again()
        assert (await joined.now()).state is NodeState.READY
        assert {step.state for step in (await joined.steps()).values()} == {"done"}

    async def test_is_on_its_way_when_it_comes_back_from_where_it_was_not_seen(self, joined: Tried) -> None:
        joined.fake.keeps_out = "pam_refused"
        assert await look_at(joined.observer, joined.id)
        async with joined.database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'offline'"))
        assert await joined.look()
        assert (await joined.now()).state is NodeState.ENROLLING

    async def test_that_shows_what_is_not_ones_own_is_one(self, joined: Tried) -> None:
        joined.fake.shows = {"homes": "/home/al-another000000000"}
        assert await look_at(joined.observer, joined.id)
        node = await joined.now()
        assert node.no_entry is not None
        assert (node.state, node.no_entry.cause) == (NodeState.ENROLLING, "not_its_own")


class TestANodeThatLostIt:
    async def test_takes_nothing_new_stays_what_it_is_and_takes_work_again_by_itself(self, ready: Tried) -> None:
        assert await ready.is_open()
        ready.fake.keeps_out, ready.fake.doors = "user_not_allowed", "doors-2"
        assert await ready.look()
        assert not await ready.is_open()
        node = await ready.now()
        assert (node.state, node.closed, node.failure) == (NodeState.READY, "no_entry", None)
        step = (await ready.steps())["accepting_work"]
        assert (step.state, "a customer would not get in" in step.detail) == ("failed", True)
        assert ready.verbs() == ["observe", "apply", "explain_entry", "release"]
        assert await ready.look()
        assert ready.verbs() == ["observe"], "tried again at the pace of failures"
        ready.fake.keeps_out, ready.fake.doors = None, "doors-3"
        assert await ready.look()
        assert ready.verbs() == ["observe", "apply", "release"], "and at once when something has changed"
        assert await ready.is_open()
        assert (await ready.now()).closed is None

    async def test_is_found_when_a_launch_was_not_let_in(self, ready: Tried) -> None:
        ready.fake.keeps_out = "session_refused"
        assert await ready.look()
        assert await ready.is_open(), "nothing has changed that could be seen"
        await ready.ask()
        await ready.try_again()
        assert not await ready.is_open()

    async def test_is_believed_to_have_lost_it_at_the_second_time_where_it_has_no_word_for_that(
        self, ready: Tried
    ) -> None:
        ready.fake.keeps_out = "unknown"
        await ready.ask()
        await ready.try_again()
        assert await ready.is_open()
        await ready.try_again()
        assert not await ready.is_open()

    @pytest.mark.parametrize(
        ("verb", "answer", "cause"),
        [
            (
                "release",
                {"clean": False, "checks": [{"name": "home", "clean": False}]},
                "trial_not_gone",
            ),
            ("apply", {"error": {"code": "command_failed", "message": "useradd", "retryable": True}}, "command_failed"),
            ("apply", {"error": {"code": "stale_generation", "message": "late", "retryable": False}}, None),
        ],
    )
    async def test_is_also_one_that_cannot_make_a_login_or_prove_it_gone(
        self, ready: Tried, verb: str, answer: dict[str, Any], cause: str | None
    ) -> None:
        ready.fake.answers[verb] = lambda _: answer
        await ready.ask()
        await ready.try_again()
        assert (await ready.now()).no_entry is None
        await ready.try_again()
        found = (await ready.now()).no_entry
        assert (None if found is None else found.cause) == cause

    async def test_is_not_one_that_does_not_answer(self, ready: Tried) -> None:
        await ready.ask()
        await ready.fake.stop()
        async with ready.database.transaction() as session:
            await session.execute(text("UPDATE work SET attempts = 5 WHERE kind = 'trial'"))
        await ready.try_again()
        assert (await ready.now()).no_entry is None


class TestWhenItIsTried:
    async def test_is_not_with_every_look(self, ready: Tried) -> None:
        assert await ready.look()
        assert ready.verbs() == ["observe"]

    async def test_is_once_where_the_helper_does_not_say_what_has_changed(self, joined: Tried) -> None:
        joined.fake.doors = None
        assert await look_at(joined.observer, joined.id)
        assert await joined.look()
        assert joined.verbs() == ["probe", "apply", "release", "observe"]

    async def test_is_when_the_helper_begins_to_say_it(self, joined: Tried) -> None:
        joined.fake.doors = None
        assert await look_at(joined.observer, joined.id)
        joined.fake.doors = "doors-1"
        assert await joined.look()
        assert joined.verbs() == ["probe", "apply", "release", "observe", "apply", "release"]

    async def test_is_where_nobody_has_been_in_since_there_are_trials(self, ready: Tried) -> None:
        async with ready.database.transaction() as session:
            await session.execute(text("UPDATE node SET entered_doors = NULL, entered_at = NULL"))
        ready.fake.doors = None
        assert await ready.look()
        assert ready.verbs() == ["observe", "apply", "release"]


class TestTheLogin:
    async def test_is_the_same_each_time_with_a_generation_of_its_own(self, ready: Tried) -> None:
        asked: list[tuple[Any, ...]] = []
        for _ in range(2):
            await ready.ask()
            await ready.try_again()
            apply, release = ready.fake.requests
            assert apply["generation"] == release["generation"]
            asked.append((*(apply["params"][name] for name in ("allocation", "login", "uid")), apply["generation"]))
            ready.fake.requests.clear()
        assert asked[0][:3] == asked[1][:3]
        assert asked[0][3] < asked[1][3]

    async def test_has_a_generation_that_only_grows(self, ready: Tried) -> None:
        for generation in ("generation", "generation - 1"):
            with pytest.raises(IntegrityError):
                async with ready.database.transaction() as session:
                    await session.execute(text(f"UPDATE node_trial SET generation = {generation}"))

    async def test_is_removed_by_the_next_trial_where_one_was_cut_off(self, ready: Tried) -> None:
        ordinary = ready.fake.answers["release"]
        ready.fake.answers["release"] = lambda _: {"error": {"code": "busy", "message": "x", "retryable": True}}
        await ready.ask()
        await ready.try_again()
        assert list(ready.fake.accounts) != []
        ready.fake.answers["release"] = ordinary
        await ready.try_again()
        assert list(ready.fake.accounts) == []
        async with ready.database.reading() as session:
            left = await session.execute(text("SELECT count(*) FROM work WHERE kind = 'trial'"))
        assert left.scalar_one() == 0

    async def test_is_nobodys_stranger_and_no_allocation_that_was_expected(self, ready: Tried) -> None:
        seen: list[Observation] = []

        async def handler(_node_id: str, observation: Observation) -> None:
            seen.append(observation)

        ready.observer.on_observed.append(handler)
        await ready.ask()
        await ready.try_again()
        allocation = ready.fake.requests[0]["params"]
        ready.fake.allocations = [
            {**{name: allocation[name] for name in ("allocation", "login", "uid")}, "generation": 1, "state": "active"}
            | {"processes": 1, "login_open": True}
        ]
        assert await ready.look()
        assert [one.allocations for one in seen] == [()]

        async def two(_session: Session, _node_id: str) -> int:
            return 2

        ready.observer.expected = two
        assert not await ready.look()
        failure = (await ready.now()).failure
        assert failure is not None
        assert failure.code == "listing_incomplete"


class TestAMachineThatJoinsMeanwhile:
    async def test_is_not_vouched_for_by_a_trial_of_what_it_was(
        self, ready: Tried, authority: CertificateAuthority, settings: Settings
    ) -> None:
        signer = await authority.host_signer()
        async with ready.database.transaction() as session:
            again = await enrolment.new_join_token(session, OPERATOR, ready.id, settings=settings)
        inventory = {**PROBE, "gpus": [{**PROBE["gpus"][0], "uuid": "GPU-north-0"}], "time": now()}

        async def join_meanwhile(_request: dict[str, Any]) -> dict[str, Any]:
            async with ready.database.transaction() as session:
                await enrolment.join(
                    session,
                    token=again.token,
                    host_public_key=ready.fake.host_public_key,
                    inventory=answers.Probed.model_validate(inventory).to_probe(),
                    signer=signer,
                    settings=settings,
                    claims_on=nothing_known,
                )
            return {"clean": True, "checks": [{"name": "account", "clean": True, "detail": "gone"}]}

        ready.fake.answers["release"] = join_meanwhile
        await ready.ask()
        await ready.try_again()
        node = await ready.now()
        assert (node.state, node.entered_at) == (NodeState.ENROLLING, None)
