"""Two sentences and one code: what a customer is told of a failure, what the operator reads, and where it was."""

from typing import Any

import pytest

from sublet.allocations.operations import STEPS, Kind
from sublet.allocations.work.failures import step_of
from sublet.core.errors import SubletError
from sublet.fleet.errors import (
    EntryRefused,
    LimitsNotEnforced,
    NodeFailure,
    NodePaused,
    NodeTimedOut,
    NodeUnreachable,
)
from tests.allocations.rental import Rental
from tests.allocations.simulated import failing, refused, unreachable
from tests.scheduling.fleet_rows import add_node
from tests.support.work import sweep_once

pytestmark = pytest.mark.anyio

INSIDE = "south could not do apply: [Errno 28] No space left on device: '/home' at 10.20.0.7"


def full() -> NodeFailure:
    failure = NodeFailure(INSIDE, node_code="disk_full", retryable=False)
    failure.request_id = "nrq_aaaaaaaaaaaaaaaa"
    return failure


async def operation(rental: Rental, allocation_id: str) -> Any:
    return await rental.one(
        "SELECT o.* FROM allocation a JOIN allocation_operation o ON o.id = a.operation_id WHERE a.id = :id",
        id=allocation_id,
    )


def states(row: Any) -> dict[str, str]:
    return {step["name"]: step["state"] for step in row.steps}


class TestALaunchThatFails:
    async def test_tells_the_customer_a_sentence_and_the_operator_what_the_node_said(self, rental: Rental) -> None:
        rental.backend.interrupt = failing("apply", "before", full)
        allocation_id = await rental.launch()
        row = await rental.work_until(allocation_id, "failed")
        told = await operation(rental, allocation_id)
        assert row.failure == told.error
        assert told.error["code"] == told.operator_error["code"] == "disk_full"
        assert told.error["message"].startswith("The node has no disk space left for it. No other node")
        history = "SELECT reason, code FROM allocation_history WHERE to_state = 'failed'"
        assert tuple(await rental.one(history)) == (told.error["message"], "disk_full")
        assert "10.20.0.7" not in told.error["message"]
        assert "/home" not in told.error["message"]
        inside = {name: told.operator_error[name] for name in ("text", "step", "node_id", "request_id")}
        assert inside == {
            "text": INSIDE,
            "step": "create_account",
            "node_id": rental.node_id,
            "request_id": "nrq_aaaaaaaaaaaaaaaa",
        }

    async def test_gives_a_code_that_nobody_knows_to_the_operator_alone(self, rental: Rental) -> None:
        rental.backend.interrupt = failing("apply", "before", lambda: refused("of_a_later_release"))
        allocation_id = await rental.launch()
        row = await rental.work_until(allocation_id, "failed")
        told = await operation(rental, allocation_id)
        assert (row.failure["code"], told.operator_error["code"]) == ("node_code_unknown", "of_a_later_release")

    async def test_tries_a_code_that_nobody_knows_again_where_the_node_says_so(self, rental: Rental) -> None:
        rental.backend.interrupt = failing("apply", "before", lambda: refused("of_a_later_release", retryable=True))
        await rental.work_until(await rental.launch(), "active")

    async def test_goes_to_another_node_when_its_own_has_run_out_of_something(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.interrupt = failing("apply", "before", full)
        await sweep_once(rental.worker())
        told = await operation(rental, allocation_id)
        assert (await rental.row(allocation_id)).node_id == second
        assert told.error == {
            "code": "disk_full",
            "message": "The node has no disk space left for it. Another node is tried.",
        }
        assert (told.operator_error["node_id"], told.operator_error["step"]) == (rental.node_id, "create_account")
        assert states(told)["connect_to_node"] == "running"
        assert states(told)["create_account"] == "pending"

    async def test_has_failed_where_it_failed(self, rental: Rental) -> None:
        allocation_id = await rental.launch()
        rental.backend.interrupt = failing("apply", "before", unreachable)
        await sweep_once(rental.worker())
        told = states(await operation(rental, allocation_id))
        assert (told["connect_to_node"], told["create_account"]) == ("failed", "pending")
        rental.backend.interrupt = failing("enter", "before", unreachable)
        await rental.run("UPDATE work SET due_at = clock_timestamp() WHERE kind = 'allocation'")
        await sweep_once(rental.worker())
        told = states(await operation(rental, allocation_id))
        assert [told[step] for step in STEPS["provision"]] == [*["done"] * 5, "failed"]
        await rental.work_until(allocation_id, "active")
        row = await operation(rental, allocation_id)
        assert set(states(row).values()) == {"done"}
        assert row.error is None

    async def test_waits_for_the_pause_of_a_node_that_is_left_alone(self, rental: Rental) -> None:
        rental.backend.interrupt = failing("apply", "before", lambda: NodePaused("It is left alone.", seconds=600))
        allocation_id = await rental.launch()
        await sweep_once(rental.worker())
        due = "SELECT due_at > clock_timestamp() + interval '590 seconds' FROM work WHERE id = :id"
        assert await rental.all(due, id=allocation_id) == [True]

    async def test_goes_to_another_node_at_once_when_its_own_is_left_alone_and_was_not_seen(
        self, rental: Rental
    ) -> None:
        allocation_id = await rental.launch()
        second = await add_node(rental.database, "south")
        rental.backend.interrupt = failing("apply", "before", lambda: NodePaused("It is left alone.", seconds=600))
        await rental.run("UPDATE node SET fresh_until = clock_timestamp() WHERE id = :id", id=rental.node_id)
        await sweep_once(rental.worker())
        assert (await rental.row(allocation_id)).node_id == second


class TestAReleaseThatIsNotProven:
    async def test_tells_the_operator_what_is_left_and_where(self, rental: Rental) -> None:
        allocation_id = await rental.running()
        rental.backend.node(rental.node_id).dirty.add(allocation_id)
        await rental.release(allocation_id)
        await rental.work_until(allocation_id, "release_failed")
        told = await operation(rental, allocation_id)
        assert told.error == {"code": "not_clean", "message": "Something is left on the node: files."}
        assert (told.operator_error["step"], told.operator_error["code"]) == ("wipe", "not_clean")
        assert "files (looked)" in told.operator_error["text"]


class TestTheStepThatFailed:
    @pytest.mark.parametrize(
        ("kind", "error", "applied", "step"),
        [
            ("provision", NodeUnreachable("."), False, "connect_to_node"),
            ("provision", NodePaused(".", seconds=1), False, "connect_to_node"),
            ("provision", NodeTimedOut("."), False, "create_account"),
            ("provision", NodeFailure(".", node_code="busy", retryable=True), False, "create_account"),
            ("provision", NodeFailure(".", node_code="gpu_missing", retryable=False), False, "apply_limits"),
            ("provision", LimitsNotEnforced("."), True, "apply_limits"),
            ("provision", EntryRefused(".", cause="unknown"), True, "verify"),
            ("provision", NodeUnreachable("."), True, "verify"),
            ("release", NodeUnreachable("."), False, "close_access"),
            ("release", NodeFailure(".", node_code="processes_remain", retryable=True), False, "end_processes"),
            ("suspend", NodeFailure(".", node_code="sessions_remain", retryable=True), False, "end_processes"),
            ("suspend", NodeFailure(".", node_code="gpu_missing", retryable=False), False, "close_access"),
            ("resume", NodeUnreachable("."), False, "connect_to_node"),
            ("resume", NodeTimedOut("."), False, "open_access"),
        ],
    )
    def test_is_named(self, kind: Kind, error: SubletError, applied: bool, step: str) -> None:
        assert step_of(kind, error, applied=applied) == step
