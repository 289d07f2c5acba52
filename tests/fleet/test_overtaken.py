"""An observer whose lease on a node has passed to another while it looked: nothing of its look is stored or told."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.work import leases
from sublet.core.work.leases import LeaseLost
from sublet.fleet import observation
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer
from sublet.fleet.work import NODE
from tests.fleet.fake_node import FakeNode
from tests.fleet.test_observation import ONE, Seen
from tests.fleet.working import look

pytestmark = pytest.mark.anyio

Meanwhile = Callable[[], Awaitable[None]]


class Looking:
    """A node that is looked at while something happens to the lease."""

    def __init__(self, database: Database, observer: Observer, node: Node, fake: FakeNode) -> None:
        self.database, self.observer, self.node, self.fake = database, observer, node, fake
        fake.allocations = [ONE]

    async def look(self, meanwhile: Meanwhile, answer: Any = None) -> bool:
        """Look, and let something happen before the node answers as it would, or otherwise."""
        ordinary = self.fake.answers["observe"]

        async def answering(request: dict[str, Any]) -> Any:
            await meanwhile()
            return ordinary(request) if answer is None else answer

        self.fake.answers["observe"] = answering
        return await look(self.database, self.observer, self.node.id)

    async def change(self, assignments: str) -> None:
        async with self.database.transaction() as session:
            statement = f"UPDATE work SET {assignments} WHERE kind = 'node' AND id = :id"
            await session.execute(text(statement), {"id": self.node.id})

    async def stolen(self) -> None:
        """The lease has expired, and another observer has one now."""
        await self.change("lease_token = nextval('lease_token')")

    async def given_back(self) -> None:
        """Another observer has looked, and has given its lease back."""
        await self.change("lease_expires_at = NULL, lease_holder = NULL")

    async def stored(self) -> tuple[Any, ...]:
        """What a look stores."""
        async with self.database.reading() as session:
            found = await session.execute(
                text(
                    "SELECT w.lease_token, w.attempts, n.misses, n.last_seen_at, n.observed_at, n.boot_id, n.failure "
                    "FROM node n JOIN work w ON w.kind = 'node' AND w.id = n.id WHERE n.id = :id"
                ),
                {"id": self.node.id},
            )
            return tuple(found.one())


@pytest.fixture
async def looking(ready_node: tuple[Node, FakeNode], observer: Observer, database: Database) -> Looking:
    """A node that has been verified."""
    return Looking(database, observer, *ready_node)


class TestALeaseThatHasPassedOn:
    @pytest.mark.parametrize("lost", [Looking.stolen, Looking.given_back])
    @pytest.mark.parametrize("answer", [None, {"nonsense": True}], ids=["seen", "failed"])
    async def test_stores_neither_what_was_seen_nor_that_it_failed(
        self, looking: Looking, lost: Callable[[Looking], Awaitable[None]], answer: Any
    ) -> None:
        before: list[tuple[Any, ...]] = []

        async def meanwhile() -> None:
            await lost(looking)
            before.append(await looking.stored())

        assert not await looking.look(meanwhile, answer)
        assert await looking.stored() == before[0]

    async def test_that_is_still_held_stores_both(self, looking: Looking) -> None:
        async def nothing() -> None: ...

        first = await looking.stored()
        assert await looking.look(nothing)
        seen = await looking.stored()
        assert seen[3] > first[3]
        assert not await looking.look(nothing, {"nonsense": True})
        assert (await looking.stored())[6] is not None

    async def test_is_noticed_before_anybody_is_told(self, looking: Looking, observer: Observer) -> None:
        seen = Seen()
        observer.on_observed.append(seen)
        async with looking.database.transaction() as session:
            await observation.make_due(session, looking.node.id)
            lease = await leases.lease_one(session, NODE, looking.node.id, seconds=0.0)
        assert lease is not None
        declared = observer.work()
        assert declared.act is not None
        async with looking.database.transaction() as session:
            asked = await declared.take(session, lease)
        assert isinstance(asked, observation.Look)
        with pytest.raises(LeaseLost):
            await declared.act(lease, asked)
        assert seen.observations == []
