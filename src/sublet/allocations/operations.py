"""Operations: what is being done to an allocation, step by step, as its owner can follow it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import insert, select, update

from sublet.allocations.events import OperationProgressed
from sublet.allocations.models import allocation as allocation_table
from sublet.allocations.models import operation as operation_table
from sublet.allocations.states import OperationState, end_operation
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.ids import new_id
from sublet.core.outbox import publish

Kind = Literal["provision", "release", "suspend", "resume"]
StepState = Literal["pending", "running", "done", "failed"]

STEPS: dict[Kind, tuple[str, ...]] = {
    "provision": ("hold_funds", "claim_capacity", "connect_to_node", "create_account", "apply_limits", "verify"),
    "release": ("close_access", "end_processes", "wipe", "verify", "settle"),
    "suspend": ("close_access", "end_processes", "verify"),
    "resume": ("connect_to_node", "open_access", "verify"),
}
"""What each kind of operation goes through, in order."""


@dataclass(frozen=True, slots=True)
class OperatorError:
    """What operators, and nobody else, read of a failure: `code` and `text` are the node's own, with its addresses and
    paths; the node's log calls the request `request_id`."""

    code: str
    text: str
    node_id: str
    request_id: str | None = None

    def stored(self, step: str | None, at: str) -> dict[str, Any]:
        """As it is kept, with the step that failed."""
        return {**asdict(self), "step": step, "at": at}


@dataclass(slots=True)
class Operation:
    """A running operation; change its steps with `mark`, then `save` or `end` it."""

    id: str
    allocation_id: str
    organization_id: str
    kind: Kind
    steps: list[dict[str, Any]]

    def mark(self, at: str, state: StepState, *names: str, detail: str | None = None) -> None:
        """Set the named steps, and when they began and ended."""
        for step in self.steps:
            if step["name"] in names:
                step["state"] = state
                step["started_at"] = step["started_at"] or at
                step["finished_at"] = None if state == "running" else at
                step["detail"] = detail

    def fail(self, at: str, name: str) -> None:
        """Say that it failed at this step: those before are done, those behind it have not begun."""
        place = self._place(name)
        done = [step["name"] for step in self.steps[:place] if step["state"] != "done"]
        self.mark(at, "done", *done)
        self.mark(at, "failed", name)
        self._forget(place + 1)

    def begin_again(self, at: str, name: str, *, detail: str) -> None:
        """Go back to this step: whatever came of those behind it counts no more."""
        place = self._place(name)
        self._forget(place)
        self.mark(at, "running", name, detail=detail)

    def _place(self, name: str) -> int:
        return [step["name"] for step in self.steps].index(name)

    def _forget(self, place: int) -> None:
        for step in self.steps[place:]:
            step.update(state="pending", started_at=None, finished_at=None, detail=None)

    @property
    def failed_step(self) -> str | None:
        """The first step that failed."""
        return next((step["name"] for step in self.steps if step["state"] == "failed"), None)

    @property
    def current(self) -> str | None:
        """The last step that has begun."""
        begun = [step["name"] for step in self.steps if step["state"] != "pending"]
        return begun[-1] if begun else None

    @property
    def unfinished_steps(self) -> list[str]:
        """The steps that are not done."""
        return [step["name"] for step in self.steps if step["state"] != "done"]

    @property
    def first_remote_step(self) -> str:
        """Where an attempt begins: the first step that is not done."""
        return self.unfinished_steps[0]


async def start(
    session: Session, allocation_id: str, organization_id: str, kind: Kind, *, done: Sequence[str] = ()
) -> str:
    """Begin an operation, some of its steps done already; one that is running on the allocation is cancelled."""
    replaced = await running(session, allocation_id, organization_id)
    if replaced is not None:
        await end(session, replaced, OperationState.CANCELLED)
    at = (await database_now(session)).isoformat()
    steps = [
        {"name": name, "state": "pending", "started_at": None, "finished_at": None, "detail": None}
        for name in STEPS[kind]
    ]
    begun = Operation(new_id("op"), allocation_id, organization_id, kind, steps)
    begun.mark(at, "done", *done)
    await session.execute(
        insert(operation_table).values(id=begun.id, allocation_id=allocation_id, kind=kind, steps=begun.steps)
    )
    await session.execute(
        update(allocation_table).where(allocation_table.c.id == allocation_id).values(operation_id=begun.id)
    )
    await _tell(session, begun, OperationState.RUNNING)
    return begun.id


async def running(session: Session, allocation_id: str, organization_id: str) -> Operation | None:
    """The operation that runs on the allocation, locked; None if none does."""
    row = (
        await session.execute(
            select(operation_table)
            .where(operation_table.c.allocation_id == allocation_id, operation_table.c.finished_at.is_(None))
            .with_for_update()
        )
    ).one_or_none()
    return None if row is None else Operation(row.id, row.allocation_id, organization_id, row.kind, row.steps)


async def attempt(session: Session, operation: Operation, *steps: str) -> None:
    """Count an attempt, and show the steps as running."""
    operation.mark((await database_now(session)).isoformat(), "running", *steps)
    await _save(session, operation, attempts=operation_table.c.attempts + 1)


async def stumble(
    session: Session,
    operation: Operation,
    code: str,
    message: str,
    *,
    step: str | None = None,
    inside: OperatorError | None = None,
) -> None:
    """Note why an attempt failed, and at which step, for the customer and for operators; the operation goes on."""
    at = (await database_now(session)).isoformat()
    if step is not None:
        operation.fail(at, step)
    operator_error = None if inside is None else inside.stored(operation.failed_step, at)
    await _save(session, operation, error={"code": code, "message": message}, operator_error=operator_error)


async def start_over(
    session: Session, operation: Operation, code: str, message: str, *, step: str | None, inside: OperatorError | None
) -> None:
    """Note why it failed on one node, and at which step, and let it begin on another."""
    at = (await database_now(session)).isoformat()
    operator_error = None if inside is None else inside.stored(step, at)
    operation.begin_again(at, "connect_to_node", detail="another node")
    await _save(session, operation, error={"code": code, "message": message}, operator_error=operator_error)


async def end(
    session: Session,
    operation: Operation,
    to: OperationState,
    *,
    code: str | None = None,
    message: str = "",
    step: str | None = None,
    inside: OperatorError | None = None,
) -> None:
    """End the operation, with the error's code when it failed, and the step. Steps that were running end with it."""
    at = (await database_now(session)).isoformat()
    if step is not None:
        operation.fail(at, step)
    unfinished = [step["name"] for step in operation.steps if step["state"] == "running"]
    operation.mark(at, "done" if to is OperationState.SUCCEEDED else "failed", *unfinished)
    error = None if code is None else {"code": code, "message": message}
    operator_error = None if inside is None else inside.stored(operation.failed_step, at)
    ended = await end_operation(
        session, operation.id, to, steps=operation.steps, error=error, operator_error=operator_error
    )
    if ended:
        await _tell(session, operation, to)


async def _save(session: Session, operation: Operation, **values: Any) -> None:
    await session.execute(
        update(operation_table)
        .where(operation_table.c.id == operation.id, operation_table.c.finished_at.is_(None))
        .values(steps=operation.steps, **values)
    )
    await _tell(session, operation, OperationState.RUNNING)


async def _tell(session: Session, operation: Operation, state: OperationState) -> None:
    event = OperationProgressed(
        operation_id=operation.id,
        allocation_id=operation.allocation_id,
        kind=operation.kind,
        state=state.value,
        step=operation.current,
    )
    await publish(session, event, subject=operation.allocation_id, organization_id=operation.organization_id)
