"""Operations: what is being done to an allocation, step by step, as its owner can follow it."""

from collections.abc import Sequence
from dataclasses import dataclass
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


async def stumble(session: Session, operation: Operation, code: str, message: str) -> None:
    """Note why an attempt failed; the operation goes on."""
    await _save(session, operation, error={"code": code, "message": message})


async def end(
    session: Session,
    operation: Operation,
    to: OperationState,
    *,
    code: str | None = None,
    message: str = "",
) -> None:
    """End the operation, with the error's code when it failed. Steps that were running end with it."""
    at = (await database_now(session)).isoformat()
    unfinished = [step["name"] for step in operation.steps if step["state"] == "running"]
    operation.mark(at, "done" if to is OperationState.SUCCEEDED else "failed", *unfinished)
    error = None if code is None else {"code": code, "message": message}
    if await end_operation(session, operation.id, to, steps=operation.steps, error=error):
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
