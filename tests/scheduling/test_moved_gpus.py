"""A GPU that was put into another machine is sold there, once the old node has noticed and nobody has it any more."""

import asyncio
import re

import pytest
from sqlalchemy import text

from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.settings import Settings
from sublet.fleet import enrolment, gpu_quarantine, nodes
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.errors import MachineAlreadyEnrolled
from sublet.scheduling import claims
from tests.fleet.conftest import OPERATOR, authority, settings
from tests.fleet.fake_node import PROBE, FakeNode
from tests.fleet.test_enrolment import Machines, probe
from tests.scheduling.fleet_rows import add_node
from tests.scheduling.test_claims import gpu_states, make_sku, take
from tests.support.locks import until_somebody_waits

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

    async def look(self, node_id: str, *gpus: dict[str, object]) -> None:
        """The node was asked over SSH what it has."""
        async with self.machines.database.transaction() as session:
            now, seen = await database_now(session), probe(gpus=list(gpus))
            await enrolment.accept(session, node_id, seen, seen_at=now, claims_on=claims.claims_on_gpu)

    async def told_of(self, node_id: str) -> list[tuple[str | None, str, str]]:
        """What the node's history says of GPUs."""
        async with self.machines.database.reading() as session:
            found = await nodes.history(session, node_id)
        return [(one.from_state, one.to_state, one.reason) for one in found if "GPU" in one.reason]

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
        await self.look(self.south, CARD)
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

    async def test_stays_where_it_was_while_a_machine_only_says_that_it_has_it(self, yard: Yard) -> None:
        database = yard.machines.database
        await yard.enrol(yard.north)  # the driver was away for a moment
        await yard.enrol(yard.south, CARD)
        assert await gpu_states(database, yard.south) == {}
        assert await gpu_states(database, yard.north) == {GPU: "missing"}
        await yard.enrol(yard.north, CARD)
        await yard.look(yard.north, CARD)
        assert await gpu_states(database, yard.north) == {GPU: "available"}
        with pytest.raises(MachineAlreadyEnrolled, match="belongs to the node north"):
            await yard.look(yard.south, CARD)

    async def test_is_told_of_in_the_history_of_both_nodes(self, yard: Yard) -> None:
        await yard.enrol(yard.north)
        await yard.enrol(yard.south, CARD)
        await yard.look(yard.south, CARD)
        said = f"the GPU {GPU} was found in the node south"
        assert await yard.told_of(yard.north) == [("enrolling", "enrolling", said)]
        said = f"has the GPU {GPU}, which was in the node north"
        assert await yard.told_of(yard.south) == [("enrolling", "enrolling", said)]

    async def test_is_in_one_of_two_machines_that_show_it_at_once(self, yard: Yard) -> None:
        database = yard.machines.database
        west, _ = await yard.machines.add("west", "192.0.2.3")
        yard.keys[west.id] = FakeNode().host_public_key
        await yard.enrol(yard.north)
        await yard.enrol(yard.south, CARD)
        await yard.enrol(west.id, CARD)
        async with database.transaction() as session:
            seen, now = probe(gpus=[CARD]), await database_now(session)
            await enrolment.accept(session, yard.south, seen, seen_at=now, claims_on=claims.claims_on_gpu)
            late = asyncio.create_task(yard.look(west.id, CARD))
            await until_somebody_waits(database)
        with pytest.raises(MachineAlreadyEnrolled, match=f"The GPU {GPU} belongs to the node south"):
            await late
        assert await gpu_states(database, yard.south) == {GPU: "available"}
        assert await gpu_states(database, west.id) == {}

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
            await gpu_quarantine.keep_unclean(session, [GPU])
        await yard.enrol(yard.north)
        said = await yard.refused()
        assert f"in quarantine on the node north. Say with `sublet admin node clear-gpu north {GPU}" in said
        async with database.transaction() as session:
            await claims.clear_gpu(session, yard.north, GPU)
        await yard.enrol(yard.north)
        await yard.is_sold_in_the_south()

    @pytest.mark.parametrize("gone", ["state = 'retired'", "state = 'enrolling', host_public_key = NULL"])
    async def test_is_sold_there_when_no_machine_is_the_old_node_any_more(self, yard: Yard, gone: str) -> None:
        async with yard.machines.database.transaction() as session:
            await session.execute(text("UPDATE node SET state = 'cordoned' WHERE name = 'north'"))
            await session.execute(text(f"UPDATE node SET {gone} WHERE name = 'north'"))
        await yard.is_sold_in_the_south()

    async def test_is_in_quarantine_there_as_it_was_on_the_node_that_was_given_up(self, yard: Yard) -> None:
        database = yard.machines.database
        async with database.transaction() as session:
            await gpu_quarantine.keep_unclean(session, [GPU])
            await session.execute(text("UPDATE node SET state = 'cordoned' WHERE name = 'north'"))
            await session.execute(text("UPDATE node SET state = 'retired' WHERE name = 'north'"))
        await yard.enrol(yard.south, CARD)
        await yard.look(yard.south, CARD)
        assert await gpu_states(database, yard.south) == {GPU: "quarantined"}
        async with database.transaction() as session:
            await claims.clear_gpu(session, yard.south, GPU)
        assert await gpu_states(database, yard.south) == {GPU: "available"}

    async def test_that_a_node_shows_without_having_joined_with_it_waits_until_it_joins(self, yard: Yard) -> None:
        await yard.enrol(yard.north)
        await yard.enrol(yard.south)
        with pytest.raises(MachineAlreadyEnrolled, match="Enrol this node again"):
            async with yard.machines.database.transaction() as session:
                await nodes.store_probe(session, yard.south, probe(gpus=[CARD]), clock_skew_seconds=0.0)
        await yard.is_sold_in_the_south()
