"""What has given its claim back is offered to be resumed where its node has room for it, and nowhere else."""

import pytest

from sublet.core.db import Database
from tests.allocations.rental import Rental
from tests.support.asking import Asking, walks

pytestmark = pytest.mark.anyio

WITHOUT_A_PLACE = {"vcpu": 1, "memory_mib": 1024, "disk_gib": 10, "gpu_count": 1}


class TestAllocations:
    @walks("AllocationOut", "PortOut")
    async def test_without_their_claim_are_offered_what_they_accept(self, database: Database, asking: Asking) -> None:
        rental = await Rental.open(database, suspended="0.01", kept_hours=0, disk="0.01", **WITHOUT_A_PLACE)
        asking.actor = rental.actor
        suspended = await rental.running()
        await rental.suspend(suspended)
        await rental.work_until(suspended, "suspended")
        assert (await rental.row(suspended)).claim_ended_at is not None

        async def resumable() -> tuple[bool, str | None]:
            shown = await asking.get(f"/allocations/{suspended}")
            await asking.agrees(shown["actions"], "resume", "POST", f"/allocations/{suspended}/resume")
            [action] = [one for one in shown["actions"] if one["name"] == "resume"]
            return action["allowed"], action["reason"]

        assert await resumable() == (True, None)
        other = await rental.running()
        gone = "Others have its place on its node, where its files are."
        assert await resumable() == (False, gone)
        waits = "UPDATE allocation SET suspended_for = 'capacity', waits_since = clock_timestamp() WHERE id = :id"
        await rental.run(waits, id=suspended)
        assert await resumable() == (False, gone)
        await rental.release(other)
        await rental.work_until(other, "released")
        assert await resumable() == (True, None)
