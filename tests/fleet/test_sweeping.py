"""What one look at a node costs: a thousand nodes are looked at by one worker, so each request and statement counts."""

from collections import Counter

import pytest
from sqlalchemy import text

from sublet.allocations.work import observations
from sublet.billing.policy import Policy
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.core.work.reconciler import Reconciler
from sublet.fleet.observation import Observer
from tests.fleet.conftest import Joining
from tests.fleet.working import look_at
from tests.support.plans import recorded

pytestmark = pytest.mark.anyio

NODES = 3
STATEMENTS_OF_ONE_LOOK = 9
"""Take: the node, how much is expected there, the lease. Hand on: what is kept there, who is a stranger. Note: the
lease, that it was seen, the end of the lease. Where the nodes are and what time it is are asked for together."""
TOGETHER = ("SELECT clock_timestamp()", "SELECT node.id, node.address")


class TestASweep:
    async def test_asks_each_node_once_on_the_connection_that_is_open_and_the_database_little(
        self, join_node: Joining, observer: Observer, database: Database, settings: Settings
    ) -> None:
        observer.on_observed.append(
            observations.handler(database, policy=Policy.of(settings), release_lost_seconds=None)
        )
        observer.expected = observations.expected_on
        joined = [await join_node(f"node-{number}") for number in range(NODES)]
        for node, _ in joined:
            assert await look_at(observer, node.id)
        worker = Reconciler(database, [observer.work()])
        before = [(fake.connections, len(fake.requests)) for _, fake in joined]

        async def sweep() -> Counter[str]:
            async with database.transaction() as session:
                await session.execute(text("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'node'"))
            with recorded(database) as statements:
                assert await worker.sweep() == NODES
                await worker.drain()
            return Counter(" ".join(one.sql.split())[:70] for one in statements)

        await sweep()
        seen = await sweep()
        for (connections, requests), (_, fake) in zip(before, joined, strict=True):
            assert fake.connections == connections
            assert [request["verb"] for request in fake.requests[requests:]] == ["observe", "observe"]
        of_each = {sql: count for sql, count in seen.items() if count >= NODES and not sql.startswith(TOGETHER)}
        assert sum(of_each.values()) <= STATEMENTS_OF_ONE_LOOK * NODES, seen
        assert sum(seen.values()) <= (STATEMENTS_OF_ONE_LOOK + len(TOGETHER)) * NODES + 4, seen
