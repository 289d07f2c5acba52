"""Nodes of two kinds side by side: each is spoken to by the backend of its kind."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from sublet.core.db import Database
from sublet.core.errors import NotFound
from sublet.core.settings import Settings
from sublet.core.work.reconciler import Reconciler
from sublet.fleet.errors import NodeKindUnknown
from sublet.fleet.kinds import SSH, BackendsByKind
from sublet.fleet.nodes import Node
from sublet.fleet.observation import Observer, make_due
from sublet.fleet.ssh_backend import SshBackend
from tests.allocations.rental import EAGER, Rental, reconcile
from tests.allocations.simulated import SimulatedBackend
from tests.fleet.fake_node import FakeNode
from tests.scheduling.fleet_rows import add_node
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio

OTHER = "simulated"


async def kind_of(database: Database, node_id: str) -> str:
    async with database.reading() as session:
        kind = await session.execute(text("SELECT kind FROM node WHERE id = :id"), {"id": node_id})
    return str(kind.scalar_one())


class TestTwoKinds:
    async def test_each_node_is_looked_at_by_its_own_backend(
        self, ready_node: tuple[Node, FakeNode], database: Database, backend: SshBackend, settings: Settings
    ) -> None:
        node, fake = ready_node
        simulated = SimulatedBackend(database)
        other = await add_node(database, "south", kind=OTHER)
        async with database.transaction() as session:
            await session.execute(text("UPDATE node SET verified_at = clock_timestamp() WHERE id = :id"), {"id": other})
            for node_id in (node.id, other):
                await make_due(session, node_id)
        seen: list[str] = []

        async def handler(node_id: str, _observation: object) -> None:
            seen.append(node_id)

        fake.requests.clear()
        observer = Observer(database, BackendsByKind(database, {SSH: backend, OTHER: simulated}), settings)
        observer.on_observed.append(handler)
        assert await sweep_once(Reconciler(database, [observer.work()])) == 2
        assert sorted(seen) == sorted([node.id, other])
        assert [request["verb"] for request in fake.requests] == ["observe"]
        assert list(simulated.nodes) == [other]

    async def test_an_allocation_lives_on_a_node_of_another_kind(self, database: Database, backend: SshBackend) -> None:
        rental = await Rental.open(database)
        await rental.run("UPDATE node SET kind = :kind", kind=OTHER)
        both = BackendsByKind(database, {SSH: backend, OTHER: rental.backend})
        launched = await rental.launch()
        await reconcile(database, both, launched, pace=EAGER)
        assert (await rental.row(launched)).state == "active"
        await rental.release(launched)
        await reconcile(database, both, launched, pace=EAGER)
        assert (await rental.row(launched)).state == "released"
        assert await rental.disagreements() == []


class TestTheKind:
    async def test_is_said_when_a_node_is_added_and_kept(
        self, ready_node: tuple[Node, FakeNode], database: Database
    ) -> None:
        assert (ready_node[0].kind, await kind_of(database, ready_node[0].id)) == (SSH, SSH)

    async def test_without_a_backend_is_an_error_that_names_it(self, database: Database, backend: SshBackend) -> None:
        node_id = await add_node(database, "south", kind=OTHER)
        with pytest.raises(
            NodeKindUnknown, match="of the kind simulated, and this process speaks only to ssh"
        ) as error:
            await BackendsByKind(database, {SSH: backend}).observe(node_id)
        assert error.value.retryable

    async def test_of_no_node_is_not_guessed(self, database: Database, backend: SshBackend) -> None:
        with pytest.raises(NotFound):
            await BackendsByKind(database, {SSH: backend}).probe("nd_aaaaaaaaaaaaaaaa")

    @pytest.mark.parametrize("kind", ["", "SSH", "a b"])
    async def test_is_a_name_or_the_database_refuses_it(self, database: Database, kind: str) -> None:
        with pytest.raises(IntegrityError, match="node_kind_check"):
            await add_node(database, "south", kind=kind)
