"""Wallet, node, GPU, room: whoever locks more than one takes them in this order, so that none wait for each other."""

import asyncio
from collections.abc import Awaitable, Callable
from unittest.mock import patch

import pytest
from sqlalchemy import text

from sublet.core.actors import system_actor
from sublet.core.db import Database, Session
from sublet.core.settings import Settings
from sublet.fleet import enrolment, gpu_quarantine, nodes, states
from sublet.fleet.backend import Probe, ProbedGpu
from sublet.fleet.observation import Observer
from sublet.fleet.states import NodeState
from sublet.scheduling import claims
from sublet.scheduling.windows import FROM_NOW_ON
from tests.allocations.simulated import SimulatedBackend
from tests.scheduling.fleet_rows import add_node
from tests.scheduling.test_claims import make_sku, take
from tests.support.locks import until_somebody_waits

pytestmark = pytest.mark.anyio

ACTOR = system_actor("test")
GPU = "GPU-n-0"


async def probed(session: Session, node_id: str, *gpus: str) -> None:
    """The node was asked what it has."""
    found = (await nodes.get(session, node_id)).inventory
    assert found is not None
    await nodes.store_probe(
        session,
        node_id,
        Probe(
            vcpu=found.vcpu + 1,
            memory_mib=found.memory_mib,
            disk_gib=found.disk_gib,
            kernel="6.1",
            os="Debian",
            hostname="n",
            helper_version="0.1.0",
            boot_id="boot-1",
            mode="systemd",
            limits_enforced=True,
            node_time=(await nodes.get(session, node_id)).created_at,
            gpus=tuple(ProbedGpu(uuid, "A", 24576) for uuid in gpus),
        ),
        clock_skew_seconds=0.0,
    )


async def cordon(database: Database, node_id: str) -> None:
    async with database.transaction() as session:
        await states.stand(session, ACTOR, node_id, NodeState.CORDONED, reason="test")


async def move_away(database: Database, node_id: str) -> None:
    async with database.transaction() as session:
        await enrolment.change_place(
            session, ACTOR, node_id, address="192.0.2.9", port=2222, labels={"zone": "another"}
        )


async def lose(database: Database, node_id: str) -> None:
    """It was not seen for long."""
    async with database.transaction() as session:
        await session.execute(
            text(
                "UPDATE node SET last_seen_at = last_seen_at - interval '1 day', misses = 9, "
                'failure = \'{"code": "x", "detail": "x", "at": "x"}\' WHERE id = :id'
            ),
            {"id": node_id},
        )
    observer = Observer(database, SimulatedBackend(database), Settings())
    async with database.transaction() as session:
        assert await observer.note_offline(session) == [node_id]


async def probe(database: Database, node_id: str) -> None:
    async with database.transaction() as session:
        await probed(session, node_id)  # its GPU is gone


class TestALaunch:
    """Has the room, and then writes a row that refers to the node."""

    @pytest.mark.parametrize("change", [cordon, move_away, lose, probe])
    async def test_and_a_change_of_its_node_wait_for_each_other_once(
        self, database: Database, change: Callable[[Database, str], Awaitable[None]]
    ) -> None:
        node_id = await add_node(database, "n", gpus=["A"])
        sku = await make_sku(database, "s")
        async with database.transaction() as session:
            await claims.claim(session, sku, "a", during=FROM_NOW_ON)
            changing = asyncio.create_task(change(database, node_id))
            await until_somebody_waits(database)
            refers = "INSERT INTO node_history (node_id, to_state, reason, actor) VALUES (:id, 'ready', 'x', 'x')"
            await session.execute(text(refers), {"id": node_id})
        await changing


class TestAProvenRelease:
    """Clears its GPUs, and then frees its claim."""

    async def test_and_a_probe_of_its_node_wait_for_each_other_once(self, database: Database) -> None:
        node_id = await add_node(database, "n", gpus=["A"])
        await take(database, await make_sku(database, "s", gpu_count=1), "a")
        async with database.transaction() as session:
            await claims.block(session, "a", "left")
        async with database.transaction() as session:
            await probed(session, node_id)  # has the node, and the GPU that is missing now
            freeing = asyncio.create_task(self._free(database))
            await until_somebody_waits(database)
            await probed(session, node_id, GPU)
        assert await freeing

    async def test_and_an_operators_word_that_its_gpu_is_clean_wait_for_each_other_once(
        self, database: Database
    ) -> None:
        node_id = await add_node(database, "n", gpus=["A"])
        await take(database, await make_sku(database, "s", gpu_count=1), "a")
        async with database.transaction() as session:
            await claims.block(session, "a", "left")
        clear, begun = gpu_quarantine.end_quarantine, list[asyncio.Task[bool]]()

        async def later(session: Session, uuid: str) -> bool:
            """The release comes in between, as far as it can."""
            with patch.object(gpu_quarantine, "end_quarantine", clear):
                begun.append(asyncio.create_task(self._free(database)))
                waits = asyncio.create_task(until_somebody_waits(database))
                await asyncio.wait({*begun, waits}, return_when=asyncio.FIRST_COMPLETED)
                waits.cancel()
            return await clear(session, uuid)

        with patch.object(gpu_quarantine, "end_quarantine", later):
            async with database.transaction() as session:
                await claims.clear_gpu(session, node_id, GPU)
        assert await begun[0]

    @staticmethod
    async def _free(database: Database) -> bool:
        async with database.transaction() as session:
            return await claims.free(session, "a")
