"""From launch to release: what the customer gets, what it costs, and what proves it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import structlog.testing

from sublet.allocations.authorized_keys import refresh_keys
from sublet.allocations.release import request_release
from sublet.allocations.states import StateForbids
from sublet.billing.policy import Policy
from sublet.core.errors import Conflict, SubletError
from sublet.core.outbox import StoredEvent
from sublet.fleet.errors import NodeFailure, NodeUnreachable
from sublet.identity import ssh_keys
from sublet.scheduling import claims
from tests.allocations.rental import Rental, offer
from tests.allocations.simulated import CHECKS, failing, refused, unreachable
from tests.support.locks import until_somebody_waits
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio

INSIDE = "gpu-07 at 10.20.0.7: uid 200417"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1M0q0vq0b3n7r8p9Q2qz0y1v2u3t4s5r6q7p8o9n0m"


async def steps(rental: Rental, allocation_id: str) -> dict[str, str]:
    row = await rental.one(
        "SELECT o.steps FROM allocation a JOIN allocation_operation o ON o.id = a.operation_id WHERE a.id = :id",
        id=allocation_id,
    )
    return {step["name"]: step["state"] for step in row.steps}


async def clear_gpu(rental: Rental, uuid: str) -> None:
    async with rental.database.transaction() as session:
        await claims.clear_gpu(session, rental.node_id, uuid)


class TestSetUp:
    async def test_ends_active_with_what_the_kernel_enforces_and_a_running_meter(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        row = await rental.row(allocation_id)
        assert [limit["limit"] for limit in row.enforced] == ["cpu", "memory", "tasks", "devices"]
        assert row.started_at is not None
        meter = await rental.one("SELECT * FROM meter WHERE subject_id = :id", id=allocation_id)
        assert meter.started_at == row.started_at
        assert set((await steps(rental, allocation_id)).values()) == {"done"}
        assert [event for event in await rental.events() if event.startswith("allocation.")] == [
            "allocation.created",
            "allocation.provisioning",
            "allocation.active",
        ]

    async def test_asks_the_node_for_the_whole_shape_with_the_members_keys(self, rental: Rental) -> None:
        async with rental.database.transaction() as session:
            await ssh_keys.add(session, rental.actor, name="laptop", public_key=KEY, most=256)
        allocation_id = await rental.running()
        account = rental.backend.node(rental.node_id).accounts[allocation_id].desired
        assert (account.limits.cpu_percent, account.limits.memory_mib, account.limits.disk_gib) == (100, 1024, 10)
        assert account.authorized_keys == (KEY,)
        assert account.principals == (account.login,)

    async def test_is_settled_first_after_the_interval_that_is_configured(self, rental: Rental) -> None:
        rental.pace = replace(rental.pace, policy=Policy(data_kept_days=14, settle_interval_seconds=60))
        await rental.running()
        wait = await rental.one("SELECT extract(epoch FROM settle_due_at - clock_timestamp()) AS seconds FROM meter")
        assert 0 < wait.seconds <= 60

    async def test_places_a_changed_key_list_on_what_runs(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        async with rental.database.transaction() as session:
            await ssh_keys.add(session, rental.actor, name="laptop", public_key=KEY, most=256)
        event = await rental.one("SELECT * FROM outbox_event WHERE type = 'organization.access_changed'")
        async with rental.database.transaction() as session:
            await refresh_keys(
                session,
                StoredEvent(id="1-1", type=event.type, time=event.occurred_at, subject=event.subject, data=event.data),
            )
        await rental.work(allocation_id)
        account = rental.backend.node(rental.node_id).accounts[allocation_id].desired
        assert (account.authorized_keys, account.generation) == ((KEY,), 2)
        assert await rental.disagreements() == []

    @pytest.mark.parametrize(
        ("reason", "disconnects"), [("ssh_key_added", False), ("ssh_key_removed", True), ("user_disabled", True)]
    )
    async def test_ends_open_connections_once_when_somebody_may_no_longer_come_in(
        self, rental: Rental, reason: str, disconnects: bool
    ) -> None:
        allocation_id = await rental.running()
        for told in (reason, "ssh_key_added"):
            data = {"user_id": rental.actor.user_id, "reason": told}
            event = StoredEvent(
                id="1-1", type="x", time=datetime.now(UTC), subject=rental.actor.organization, data=data
            )
            async with rental.database.transaction() as session:
                await refresh_keys(session, event)
        await rental.work(allocation_id)
        account = rental.backend.node(rental.node_id).accounts[allocation_id].desired
        assert (account.generation, account.disconnect_generation) == (3, 2 if disconnects else 0)

    async def test_does_not_start_while_a_limit_that_the_node_enforces_is_missing(self, rental: Rental) -> None:
        await rental.run(
            """UPDATE node SET capabilities = '[{"name": "memory", "enforced": true, "detail": "tried"}]'"""
        )
        node = rental.backend.node(rental.node_id)
        node.unenforced = {"memory"}
        allocation_id = await rental.launch()
        await rental.work(allocation_id)
        assert (await rental.row(allocation_id)).state == "provisioning"
        row = await rental.work_until(allocation_id, "failed")
        assert row.failure["code"] == "limits_not_enforced"
        assert (
            await rental.one("SELECT attempts FROM allocation_operation")
        ).attempts == rental.pace.provision_attempts
        assert (await rental.wallet()).held.micro == 0
        assert row.started_at is None
        await rental.work(allocation_id)  # restores the node, which is when the capacity is free
        assert node.accounts == {}
        assert await rental.disagreements() == []

    async def test_starts_as_soon_as_the_limit_is_there(self, rental: Rental) -> None:
        await rental.run(
            """UPDATE node SET capabilities = '[{"name": "memory", "enforced": true, "detail": "tried"}]'"""
        )
        node = rental.backend.node(rental.node_id)
        node.unenforced = {"memory"}
        allocation_id = await rental.launch()
        await rental.work(allocation_id)
        node.unenforced = set()
        await rental.work_until(allocation_id, "active")
        assert await rental.disagreements() == []

    async def test_starts_on_a_node_that_says_it_enforces_nothing(self, rental: Rental) -> None:
        rental.backend.node(rental.node_id).unenforced = {"cpu", "memory", "tasks", "devices"}
        allocation_id = await rental.running()
        assert not any(limit["enforced"] for limit in (await rental.row(allocation_id)).enforced)

    async def test_tries_again_when_the_node_does_not_answer(self, rental: Rental) -> None:
        rental.backend.interrupt = failing("apply", "before", unreachable, times=2)
        allocation_id = await rental.running()
        operation = await rental.one("SELECT * FROM allocation_operation")
        assert (operation.state, operation.attempts) == ("succeeded", 3)
        assert len([call for call in rental.backend.calls if call[1] == allocation_id]) == 1

    async def test_fails_with_a_reason_and_the_money_back_when_it_cannot_be(self, rental: Rental) -> None:
        rental.backend.interrupt = failing("apply", "after", refused, times=9)
        allocation_id = await rental.launch()
        row = await rental.work_until(allocation_id, "failed")
        assert row.failure["code"] == "program_missing"
        assert (await rental.wallet()).held.micro == 0
        await rental.work(allocation_id)  # restores the node, which is when the capacity is free
        assert not (await rental.row(allocation_id)).on_node
        assert rental.backend.node(rental.node_id).accounts == {}
        assert await rental.disagreements() == []

    @pytest.mark.parametrize("code", ["gpu_missing", "gpu_in_use", "uid_not_available"])
    async def test_says_when_another_node_may_have_what_this_one_lacks(self, rental: Rental, code: str) -> None:
        rental.backend.interrupt = failing("apply", "before", lambda: refused(code))
        row = await rental.work_until(await rental.launch(), "failed")
        assert row.failure["code"] == code

    async def test_fails_after_a_bounded_number_of_attempts(self, rental: Rental) -> None:
        rental.backend.node(rental.node_id).reachable = False
        allocation_id = await rental.launch()
        row = await rental.work_until(allocation_id, "failed")
        assert row.failure["code"] == "node_unreachable"
        operation = await rental.one("SELECT * FROM allocation_operation")
        assert operation.attempts == rental.pace.provision_attempts
        assert (await rental.wallet()).held.micro == 0
        assert await rental.disagreements() == []  # the capacity stays taken until the node is back
        rental.backend.node(rental.node_id).reachable = True
        for _ in range(100):
            await rental.work_until(allocation_id, "failed")
            if not (await rental.row(allocation_id)).on_node:
                break
            await asyncio.sleep(0.02)
        assert (await rental.one("SELECT upper_inf(during) AS open FROM claim")).open is False


async def unproven_release_of_a_gpu(rental: Rental) -> str:
    """The id of an allocation with a GPU, of which something stays on the node."""
    rental.sku = await offer(rental.database, "gpu", gpu_model="A", gpu_count=1)
    allocation_id = await rental.running()
    rental.backend.node(rental.node_id).dirty.add(allocation_id)
    await rental.release(allocation_id)
    await rental.work_until(allocation_id, "release_failed")
    return allocation_id


class TestRelease:
    async def test_frees_capacity_and_settles_only_on_proof(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.ran_for(allocation_id, 100)
        await rental.release(allocation_id)
        row = await rental.row(allocation_id)
        assert row.state == "releasing"
        assert (await rental.one("SELECT upper_inf(during) AS open FROM claim")).open is True
        row = await rental.work_until(allocation_id, "released")
        assert row.evidence["clean"]
        assert len(row.evidence["checks"]) == len(CHECKS)
        assert set((await steps(rental, allocation_id)).values()) == {"done"}
        charge = await rental.one(
            """
            SELECT sum(amount) AS micro, sum(seconds) AS seconds
              FROM usage_charge JOIN usage_record USING (subject_id, period_start)
            """
        )
        assert charge.seconds >= 100
        assert charge.micro == 360_000_000 * charge.seconds // 3_600_000
        wallet = await rental.wallet()
        assert wallet.balance.micro == 20_000_000 - charge.micro
        assert await rental.disagreements() == []

    async def test_charges_nothing_after_the_request_however_long_the_cleaning_takes(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.ran_for(allocation_id, 60)
        await rental.release(allocation_id)
        requested = (await rental.row(allocation_id)).release_requested_at
        rental.backend.interrupt = failing("release", "before", unreachable, times=1)
        await rental.work_until(allocation_id, "released")
        late = await rental.all("SELECT 1 FROM usage_record WHERE period_end > :at", at=requested)
        assert late == []

    async def test_what_is_left_on_the_node_blocks_its_capacity_and_not_the_customers_money(
        self, rental: Rental
    ) -> None:
        allocation_id = await unproven_release_of_a_gpu(rental)
        row = await rental.row(allocation_id)
        assert not row.evidence["clean"]
        assert (await rental.wallet()).held.micro == 0
        assert (await steps(rental, allocation_id))["wipe"] == "failed"
        assert await rental.all("SELECT state FROM gpu") == ["quarantined"]
        assert (await rental.one("SELECT blocked_reason FROM claim")).blocked_reason.startswith("Something is left")
        rental.backend.node(rental.node_id).dirty.clear()
        row = await rental.work_until(allocation_id, "released")
        assert row.evidence["clean"]
        assert await rental.all("SELECT state FROM gpu") == ["available"]
        assert await rental.disagreements() == []

    async def test_what_an_operator_vouches_for_is_given_out_again_and_the_rest_stays_blocked(
        self, rental: Rental
    ) -> None:
        allocation_id = await unproven_release_of_a_gpu(rental)
        [uuid] = await rental.all("SELECT uuid FROM gpu")
        await clear_gpu(rental, uuid)
        with pytest.raises(Conflict, match="not in quarantine"):
            await clear_gpu(rental, uuid)
        next_one = await rental.running()
        assert (await rental.one("SELECT count(*) AS claims FROM claim WHERE upper_inf(during)")).claims == 2
        # The old release goes on failing, and takes nothing from whoever has the GPU now.
        attempts = "SELECT attempts FROM work WHERE id = :id"
        tried = (await rental.one(attempts, id=allocation_id)).attempts
        await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE id = :id", id=allocation_id)
        await rental.work(allocation_id)
        assert (await rental.one(attempts, id=allocation_id)).attempts > tried
        assert await rental.all("SELECT state FROM gpu") == ["available"]
        rental.backend.node(rental.node_id).dirty.clear()
        await rental.work_until(allocation_id, "released")
        await rental.release(next_one)
        await rental.work_until(next_one, "released")
        assert await rental.all("SELECT 1 FROM claim WHERE upper_inf(during)") == []
        assert await rental.disagreements() == []

    async def test_a_node_that_stays_away_makes_it_release_failed_and_it_goes_on_trying(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        rental.backend.node(rental.node_id).reachable = False
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "release_failed")
        assert (await rental.wallet()).held.micro == 0
        rental.backend.node(rental.node_id).reachable = True
        await rental.work_until(allocation_id, "released")
        assert await rental.disagreements() == []

    async def test_a_node_that_does_not_answer_once_says_nothing_about_what_is_left(self, rental: Rental) -> None:
        rental.sku = await offer(rental.database, "gpu", gpu_model="A", gpu_count=1)
        allocation_id = await rental.running()
        rental.backend.node(rental.node_id).reachable = False
        await rental.release(allocation_id)
        await sweep_once(rental.worker())
        row = await rental.row(allocation_id)
        assert (row.state, row.on_node, row.evidence) == ("releasing", True, None)
        assert (await rental.one("SELECT attempts FROM work WHERE id = :id", id=allocation_id)).attempts == 1
        assert await rental.all("SELECT state FROM gpu") == ["available"]  # it is taken, and not suspected
        assert await rental.all("SELECT 1 FROM claim WHERE upper_inf(during)") == [1]
        operation = await rental.one("SELECT state, error FROM allocation_operation WHERE kind = 'release'")
        assert (operation.state, operation.error["code"]) == ("running", "node_unreachable")
        await rental.work_until(allocation_id, "release_failed")
        assert await rental.all("SELECT state FROM gpu") == ["quarantined"]
        assert await rental.all("SELECT 1 FROM claim WHERE upper_inf(during)") == [1]

    @pytest.mark.parametrize("verb", ["apply", "release"])
    @pytest.mark.parametrize("error", [NodeUnreachable(INSIDE), NodeFailure(INSIDE, node_code="busy", retryable=True)])
    async def test_what_the_node_said_is_not_for_the_customer(
        self, rental: Rental, verb: str, error: SubletError
    ) -> None:
        allocation_id = await rental.launch() if verb == "apply" else await rental.running()
        if verb == "release":
            await rental.release(allocation_id)
        rental.backend.interrupt = failing(verb, "before", lambda: error, times=1)
        await sweep_once(rental.worker())
        kind = "provision" if verb == "apply" else "release"
        told = await rental.one("SELECT error FROM allocation_operation WHERE kind = :kind", kind=kind)
        assert "asked again" in told.error["message"]
        assert INSIDE not in told.error["message"]

    async def test_what_is_left_is_named_to_the_customer_and_shown_to_the_operator(self, rental: Rental) -> None:
        await unproven_release_of_a_gpu(rental)
        told = await rental.one("SELECT error FROM allocation_operation WHERE kind = 'release'")
        assert told.error["message"] == "Something is left on the node: files."
        assert "files (" in (await rental.one("SELECT blocked_reason FROM claim")).blocked_reason

    async def test_cancels_what_no_worker_has_begun_at_once(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        await rental.release(allocation_id)
        assert (await rental.row(allocation_id)).state == "released"
        assert await rental.all("SELECT state FROM allocation_operation") == ["cancelled"]
        assert rental.backend.calls == []
        assert await rental.disagreements() == []

    async def test_cancels_in_the_middle_of_set_up_without_waiting_for_it(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        rental.backend.delay_seconds = 30.0
        working = asyncio.create_task(rental.work(allocation_id))
        while not rental.backend.node(rental.node_id).running.get(allocation_id):
            await asyncio.sleep(0.01)
        await rental.release(allocation_id)
        rental.backend.delay_seconds = 0.0
        row = await rental.work_until(allocation_id, "released", seconds=10)
        assert row.started_at is None
        await asyncio.wait_for(working, 10)
        assert rental.backend.node(rental.node_id).accounts == {}
        assert sorted(await rental.all("SELECT state FROM allocation_operation")) == ["cancelled", "succeeded"]
        assert await rental.all("SELECT 1 FROM usage_charge") == []
        assert await rental.disagreements() == []

    async def test_that_comes_while_the_set_up_is_being_stored_is_no_failure_of_the_worker(
        self, rental: Rental
    ) -> None:
        allocation_id = await rental.launch()
        applied, released = asyncio.Event(), asyncio.Event()

        async def meanwhile(verb: str, moment: str) -> None:
            if (verb, moment) == ("apply", "after"):
                applied.set()
                await released.wait()

        rental.backend.interrupt = meanwhile
        with structlog.testing.capture_logs() as logs:
            working = asyncio.create_task(sweep_once(rental.worker()))
            await asyncio.wait_for(applied.wait(), 10)
            async with rental.database.transaction() as session:
                await request_release(session, rental.actor, allocation_id)
                released.set()
                await until_somebody_waits(rental.database)  # the worker, with a lease that was its own a moment ago
            await working
        assert [entry["event"] for entry in logs if entry["event"].startswith("work.")] == ["work.overtaken"]
        row = await rental.work_until(allocation_id, "released")
        assert row.started_at is None
        assert await rental.disagreements() == []

    async def test_asking_twice_releases_once_and_after_a_failure_nothing(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        await rental.release(allocation_id)
        with pytest.raises(StateForbids, match="is being released"):
            await rental.release(allocation_id)
        await rental.work_until(allocation_id, "released")
        with pytest.raises(StateForbids, match="has been released"):
            await rental.release(allocation_id)
        assert len(await rental.all("SELECT 1 FROM allocation_operation WHERE kind = 'release'")) == 1
        rental.backend.interrupt = failing("apply", "before", refused)
        failed = await rental.launch()
        await rental.work_until(failed, "failed")
        with pytest.raises(StateForbids):
            await rental.release(failed)
