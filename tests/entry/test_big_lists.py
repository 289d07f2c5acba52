"""In a big fleet the lists of nodes and allocations, and what narrows them, read no table from one end to the other."""

from collections.abc import Awaitable, Callable

import pytest
from bench.pages import many
from bench.placement import fleet

from sublet.allocations.labels import wanted
from sublet.allocations.views import summaries
from sublet.core.db import Database, Session
from sublet.findings import findings
from sublet.fleet import helper_versions, nodes
from tests.allocations.rental import Rental
from tests.support.plans import buffers, plans_of, whole_table_reads
from tests.support.policy import DEFAULT_POLICY

pytestmark = pytest.mark.anyio

NODES, ALLOCATIONS = 300, 10_000
MOST_BUFFERS = 1_500
LONG = {"allocation", "meter", "allocation_label", "claim"}
"""What has a row or more for each allocation; nodes are few beside them, and their table is small."""


class TestALongList:
    async def test_costs_what_a_page_holds_however_it_is_narrowed(self, database: Database, owner_url: str) -> None:
        fleet.build(owner_url, nodes=NODES, claims=NODES)
        rental = await Rental.open(database)
        await rental.running()
        many.copy(owner_url, nodes=NODES, allocations=ALLOCATIONS)
        policy, opened = DEFAULT_POLICY, findings.Filter(state="open")

        def everybodys(*states: str, before: int | None = None) -> Callable[[Session], Awaitable[object]]:
            query = summaries.Query(list(states) or None, True, before, 50)
            return lambda session: summaries.of_everybody(session, query)

        def mine(*states: str, ended: bool = True, label: str | None = None) -> Callable[[Session], Awaitable[object]]:
            query = summaries.Query(list(states) or None, ended, None, 50, wanted([label] if label else []))
            return lambda session: summaries.of_organization(session, rental.actor, query, policy=policy)

        lists: dict[str, Callable[[Session], Awaitable[object]]] = {
            "everybody's": everybodys(),
            "everybody's, far back": everybodys(before=1_000_500),
            "everybody's that failed": everybodys("failed"),
            "everybody's that are lost": everybodys("lost"),
            "one's": mine(),
            "one's that run": mine(ended=False),
            "one's that failed": mine("failed"),
            "one's with a label": mine(label="team=team-4"),
            "nodes": lambda session: nodes.list_page(session, limit=50, after_name=None),
            "nodes, further on": lambda session: nodes.list_page(session, limit=50, after_name="node-5"),
            "a node by its name": lambda session: nodes.list_page(session, limit=50, after_name=None, name="node-77"),
            "nodes that drift": lambda session: helper_versions.drifted(session, limit=50, after_name="node-5"),
            "open findings": lambda session: findings.newest(session, opened, before=None, limit=51),
        }
        helper_versions.ours()
        wrong = {}
        for name, listed in lists.items():
            plans = await plans_of(database, listed)
            assert plans, name
            read = {table for _, plan in plans for table in whole_table_reads(plan)} & LONG
            pages = sum(buffers(plan) for _, plan in plans)
            if read or pages > MOST_BUFFERS:
                wrong[name] = (sorted(read), pages)
        assert wrong == {}
