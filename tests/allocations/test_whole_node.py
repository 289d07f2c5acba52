"""A launch of a whole node that is to be in its network: asked of the node as sold, alone there, or not at all."""

import pytest

from sublet.core.db import Database
from sublet.scheduling.claims import NoCapacity
from tests.allocations.rental import Rental, offer

pytestmark = pytest.mark.anyio


class TestAWholeNode:
    async def test_is_nobody_elses_until_it_is_released(self, database: Database) -> None:
        rental = await Rental.open(database)
        shared = rental.sku
        rental.sku = await offer(database, "fabric", whole_node=True, node_network=True)
        alone = await rental.running()
        account = rental.backend.node(rental.node_id).accounts[alone]
        assert account.desired.node_network is True
        rental.sku = shared
        with pytest.raises(NoCapacity):
            await rental.launch()
        await rental.release(alone)
        await rental.work_until(alone, "released")
        beside = await rental.running()
        assert rental.backend.node(rental.node_id).accounts[beside].desired.node_network is False

    async def test_whose_network_is_not_joined_is_not_started(self, database: Database) -> None:
        rental = await Rental.open(database)
        rental.backend.node(rental.node_id).shares_network = False
        rental.sku = await offer(database, "whole", whole_node=True)
        without = await rental.running()
        await rental.release(without)
        await rental.work_until(without, "released")
        rental.sku = await offer(database, "fabric", whole_node=True, node_network=True)
        failed = await rental.work_until(await rental.launch(), "failed")
        assert failed.failure["code"] == "limits_not_enforced"
