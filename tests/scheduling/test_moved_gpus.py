"""A GPU that was put into another machine is sold there, once the old node has noticed and nobody has it any more."""

import re

import pytest
from sqlalchemy import text

from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import enrolment, nodes
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.errors import MachineAlreadyEnrolled
from sublet.scheduling import claims
from tests.fleet.conftest import OPERATOR, authority, settings
from tests.fleet.fake_node import PROBE, FakeNode
from tests.fleet.test_enrolment import Machines, probe
from tests.scheduling.fleet_rows import add_node
from tests.scheduling.test_claims import gpu_states, make_sku, take

pytestmark = pytest.mark.anyio
__all__ = ["authority", "settings"]

GPU = "GPU-north-0"
CARD = {**PROBE["gpus"][0], "uuid": GPU}


class Yard:
    """The node north, which had the card when it was last asked, and the machine that it is in now."""

    def __init__(self, machines: Machines, north: str, south: str) -> None:
        self.machines, self.north, self.south = machines, north, south
        self.keys = {north: FakeNode().host_public_key, south: FakeNode().host_public_key}

    async def enrol(self, node_id: str, *gpus: dict[str, object]) -> None:
        async with self.machines.database.transaction() as session:
            join = await enrolment.new_join_token(session, OPERATOR, node_id, settings=self.machines.settings)
        await self.machines.join(join.token, self.keys[node_id], gpus=list(gpus))

    async def refused(self) -> str:
        """What enrolling south with the card says."""
        with pytest.raises(MachineAlreadyEnrolled) as refused:
            await self.enrol(self.south, CARD)
        assert "Nothing of this inventory was stored." in refused.value.detail
        assert await gpu_states(self.machines.database, self.south) == {}
        return refused.value.detail

    async def free(self) -> dict[str, int]:
        """How many GPUs each node has left, by what is counted."""
        async with self.machines.database.reading() as session:
            found = await session.execute(
                text(
                    "SELECT r.node_id, r.gpus_free, coalesce(g.free, 0) AS free FROM node_room r "
                    "LEFT JOIN gpu_room g ON g.node_id = r.node_id AND g.model = ''"
                )
            )
            counted = {row.node_id: (row.gpus_free, row.free) for row in found}
        assert all(one == other for one, other in counted.values())
        return {node_id: one for node_id, (one, _) in counted.items()}

    async def is_sold_in_the_south(self) -> None:
        await self.enrol(self.south, CARD)
        assert await gpu_states(self.machines.database, self.south) == {GPU: "available"}
        assert await gpu_states(self.machines.database, self.north) == {}
        assert await self.free() == {self.north: 0, self.south: 1}


@pytest.fixture
async def yard(database: Database, authority: CertificateAuthority, settings: Settings) -> Yard:
    machines = Machines(database, authority, settings)
    north = await add_node(database, "north", gpus=["A"])
    south, _ = await machines.add("south", "192.0.2.2")
    return Yard(machines, north, south.id)


class TestACardInAnotherMachine:
    async def test_is_sold_there_once_the_old_node_was_enrolled_without_it(self, yard: Yard) -> None:
        said = await yard.refused()
        assert re.search(r"Take it out there; enrol north again without it \(`\S+ admin node join-token north`\)", said)
        assert "then enrol this node again" in said
        await yard.enrol(yard.north)
        await yard.is_sold_in_the_south()

    async def test_is_not_sold_while_an_allocation_has_it(self, yard: Yard) -> None:
        database = yard.machines.database
        await take(database, await make_sku(database, "g", gpu_count=1), "al_one")
        await yard.enrol(yard.north)
        assert await gpu_states(database, yard.north) == {GPU: "missing"}
        assert "is claimed by al_one on the node north. Release al_one; enrol north again" in await yard.refused()
        async with database.transaction() as session:
            assert await claims.free(session, "al_one")
        await yard.is_sold_in_the_south()

    async def test_is_not_sold_before_it_is_proven_clean(self, yard: Yard) -> None:
        database = yard.machines.database
        await take(database, await make_sku(database, "g", gpu_count=1), "al_one")
        async with database.transaction() as session:
            await claims.block(session, "al_one", "a process is left")
        await yard.enrol(yard.north)
        said = await yard.refused()
        assert "is kept for al_one of the node north, whose release has not proven it clean" in said
        assert f"`sublet admin node clear-gpu north {GPU} --reason" in said
        async with database.transaction() as session:
            await claims.clear_gpu(session, yard.north, GPU)
        await yard.enrol(yard.north)
        await yard.is_sold_in_the_south()

    async def test_in_quarantine_that_nobody_has_is_cleared_first(self, yard: Yard) -> None:
        database = yard.machines.database
        async with database.transaction() as session:
            await nodes.quarantine_gpus(session, [GPU])
        await yard.enrol(yard.north)
        said = await yard.refused()
        assert f"in quarantine on the node north. Say with `sublet admin node clear-gpu north {GPU}" in said
        async with database.transaction() as session:
            await claims.clear_gpu(session, yard.north, GPU)
        await yard.enrol(yard.north)
        await yard.is_sold_in_the_south()

    async def test_that_a_node_shows_without_having_joined_with_it_waits_until_it_joins(self, yard: Yard) -> None:
        await yard.enrol(yard.north)
        await yard.enrol(yard.south)
        with pytest.raises(MachineAlreadyEnrolled, match="Enrol this node again"):
            async with yard.machines.database.transaction() as session:
                await nodes.store_probe(session, yard.south, probe(gpus=[CARD]), clock_skew_seconds=0.0)
        await yard.is_sold_in_the_south()
