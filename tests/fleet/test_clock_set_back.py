"""PostgreSQL's clock was hours ahead, and is set right: no node is believed for what was seen of it then."""

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.work.reconciler import Reconciler
from sublet.fleet import nodes
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.supervisor.embedded_postgres import EmbeddedPostgres
from tests.fleet.fake_node import FakeNode
from tests.fleet.working import look, note_offline
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio

HOURS = 7200.0


@pytest.fixture
def postgres(clocked_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return clocked_postgres


async def accepts(database: Database, node_id: str) -> bool:
    """Whether placement believes that the node takes work now."""
    asked = text("SELECT accepts_until > clock_timestamp() FROM node_capacity WHERE node_id = :id")
    async with database.reading() as session:
        return bool((await session.execute(asked, {"id": node_id})).scalar_one())


class TestANodeThatWasSeenAheadOfTime:
    async def test_is_believed_again_when_it_is_seen_again(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, clock: Clock
    ) -> None:
        node, _ = ready_node
        clock.later(HOURS)
        assert await look(database, observer, node.id)
        clock.later(-HOURS)
        assert await accepts(database, node.id), "as if it had just been seen"
        assert await note_offline(observer) == []
        assert not await accepts(database, node.id)
        assert await look(database, observer, node.id)
        assert await accepts(database, node.id)

    async def test_is_lost_if_it_is_not(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, clock: Clock
    ) -> None:
        node, fake = ready_node
        clock.later(HOURS)
        assert await look(database, observer, node.id)
        await fake.stop()
        clock.later(-HOURS)
        assert await note_offline(observer) == []
        for _ in range(2):
            assert not await look(database, observer, node.id)
        clock.later(observer.settings.node_lost_seconds + 1)
        assert await note_offline(observer) == [node.id]

    async def test_is_looked_at_again_as_soon_as_ever(
        self, ready_node: tuple[Node, FakeNode], observer: Observer, database: Database, clock: Clock
    ) -> None:
        node, _ = ready_node
        clock.later(HOURS)
        assert await look(database, observer, node.id)
        clock.later(-HOURS)
        worker = Reconciler(database, [observer.work()])
        assert await worker.sweep() == 0
        clock.later(31)
        assert await worker.sweep() == 1
        await worker.drain()
        async with database.reading() as session:
            assert (await nodes.get(session, node.id)).last_seen_at is not None
