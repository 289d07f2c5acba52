"""What was seen of a node is believed for three intervals, and what was free on its disk is kept as last seen."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, text

from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import checklist, nodes
from sublet.fleet.checklist import Step
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from tests.fleet.fake_node import FakeNode
from tests.fleet.working import look

pytestmark = pytest.mark.anyio


async def seen(database: Database, node_id: str) -> Row[Any]:
    async with database.reading() as session:
        return (
            await session.execute(
                text("SELECT fresh_until - last_seen_at AS fresh, disk_free_gib, inodes_free FROM node WHERE id = :id"),
                {"id": node_id},
            )
        ).one()


async def accepting(database: Database, node_id: str) -> Step:
    async with database.reading() as session:
        node = await nodes.get(session, node_id)
        now = await database_now(session)
    return checklist.steps(node, token_expires_at=None, clock_skew_seconds=0.0, now=now)[-1]


class TestALook:
    async def test_that_succeeds_is_believed_for_three_intervals(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, settings: Settings
    ) -> None:
        three = timedelta(seconds=3 * settings.observe_interval_seconds)
        assert (await seen(database, ready_node[0].id)).fresh == three  # the probe that let it take work is a look too
        assert await look(database, observer, ready_node[0].id)
        assert (await seen(database, ready_node[0].id)).fresh == three

    async def test_that_fails_makes_nothing_fresher(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database
    ) -> None:
        node, fake = ready_node
        before = await seen(database, node.id)
        fake.answers["observe"] = lambda _: {}
        assert not await look(database, observer, node.id)
        assert await seen(database, node.id) == before

    @pytest.mark.parametrize("inodes", [0, 1_000_000, None])
    async def test_keeps_what_was_free(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, inodes: int | None
    ) -> None:
        node, fake = ready_node
        fake.space = {"disk_free_gib": 17, "inodes_free": inodes}
        assert await look(database, observer, node.id)
        stored = await seen(database, node.id)
        assert (stored.disk_free_gib, stored.inodes_free) == (17, inodes)


class TestTheChecklist:
    async def test_says_that_a_node_is_accepting(self, ready_node: tuple[Node, FakeNode], database: Database) -> None:
        assert (await accepting(database, ready_node[0].id)).state == "done"

    async def test_says_that_nothing_is_placed_where_no_look_succeeds(
        self, ready_node: tuple[Node, FakeNode], database: Database
    ) -> None:
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET fresh_until = clock_timestamp()"))
        step = await accepting(database, ready_node[0].id)
        assert (step.state, "not seen at its last three looks" in step.detail) == ("failed", True)

    @pytest.mark.parametrize(("inodes", "state"), [(9_999, "failed"), (10_000, "done"), (None, "done")])
    async def test_says_that_nothing_is_placed_without_inodes(
        self,
        ready_node: tuple[Node, FakeNode],
        observer: Observer,
        database: Database,
        inodes: int | None,
        state: str,
    ) -> None:
        node, fake = ready_node
        fake.space = {"disk_free_gib": 17, "inodes_free": inodes}
        assert await look(database, observer, node.id)
        assert (await accepting(database, node.id)).state == state
