"""States of allocations and of the operations on them: the table of changes, and the only functions that make one."""

from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.allocations import events
from sublet.allocations.incident_kind import Incident
from sublet.core import telemetry
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.outbox import publish


class AllocationState(StrEnum):
    """Where an allocation stands."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RELEASING = "releasing"
    RELEASED = "released"
    FAILED = "failed"
    RELEASE_FAILED = "release_failed"
    LOST = "lost"


_S = AllocationState

TRANSITIONS: dict[AllocationState, frozenset[AllocationState]] = {
    _S.QUEUED: frozenset({_S.PROVISIONING, _S.RELEASED, _S.FAILED}),
    _S.PROVISIONING: frozenset({_S.ACTIVE, _S.RELEASING, _S.FAILED}),
    _S.ACTIVE: frozenset({_S.SUSPENDED, _S.RELEASING, _S.LOST}),
    _S.SUSPENDED: frozenset({_S.ACTIVE, _S.RELEASING, _S.LOST}),
    _S.LOST: frozenset({_S.ACTIVE, _S.SUSPENDED, _S.RELEASING}),
    _S.RELEASING: frozenset({_S.RELEASED, _S.RELEASE_FAILED}),
    _S.RELEASE_FAILED: frozenset({_S.RELEASED}),
    _S.RELEASED: frozenset(),
    _S.FAILED: frozenset(),
}
"""Every change that an allocation's state may make; the table `allocation_transition` says the same to PostgreSQL."""

ENDED = frozenset({_S.RELEASED, _S.FAILED})
"""States that are the end for the customer and the books."""

BEING_SET_UP = frozenset({_S.QUEUED, _S.PROVISIONING})
"""States of a launch until its node has it."""

STEADY = frozenset({_S.ACTIVE, _S.SUSPENDED})
"""States of what is on a node that answers."""

KEPT = STEADY | {_S.LOST}
"""States of what has been set up and stays until its release is asked for, whether its node answers or not."""

_EVENTS: dict[AllocationState, type[events.AllocationEvent]] = {
    _S.PROVISIONING: events.AllocationProvisioning,
    _S.ACTIVE: events.AllocationActive,
    _S.SUSPENDED: events.AllocationSuspended,
    _S.RELEASING: events.AllocationReleasing,
    _S.RELEASED: events.AllocationReleased,
    _S.FAILED: events.AllocationFailed,
    _S.RELEASE_FAILED: events.AllocationReleaseFailed,
    _S.LOST: events.AllocationLost,
}


class StateForbids(Conflict):
    """The allocation's state does not allow this."""

    code = "state_forbids"


class Moved(NamedTuple):
    """A change that was made."""

    previous: AllocationState
    name: str
    organization_id: str


# The row is locked first, so that the previous state in history and event is the one that was really left.
_MOVE = text(
    """
    WITH before AS (SELECT id, state FROM allocation WHERE id = :id FOR UPDATE)
    UPDATE allocation a
       SET state = :to, state_since = clock_timestamp(),
           ended_at = CASE WHEN :ends THEN clock_timestamp() ELSE ended_at END
      FROM before b
     WHERE a.id = b.id AND b.state = ANY(:sources)
    RETURNING b.state AS previous, a.name, a.organization_id
    """
).bindparams(bindparam("sources", type_=ARRAY(Text)))

_PRESENT = text("SELECT name, state FROM allocation WHERE id = :id")

_REMEMBER = text(
    """
    INSERT INTO allocation_history (allocation_id, from_state, to_state, reason, incident, code, actor)
    VALUES (:id, :previous, :to, :reason, :incident, :code, :actor)
    """
).bindparams(
    bindparam("previous", type_=Text), bindparam("incident", None, type_=Text), bindparam("code", None, type_=Text)
)


def sources_of(to: AllocationState) -> list[str]:
    """The states from which `to` can be reached."""
    return [state.value for state, targets in TRANSITIONS.items() if to in targets]


async def begin(session: Session, actor: Actor, allocation_id: str, name: str, organization_id: str) -> None:
    """Write the first line of a new allocation's history and tell that it exists."""
    remembered = {"id": allocation_id, "previous": None, "to": _S.QUEUED.value, "reason": "launched"}
    await session.execute(_REMEMBER, {**remembered, "actor": actor.shown_as})
    created = events.AllocationCreated(
        allocation_id=allocation_id, name=name, state=_S.QUEUED.value, previous_state=None, reason="launched"
    )
    await publish(session, created, subject=allocation_id, organization_id=organization_id)
    telemetry.allocation_transitions_total.labels("", _S.QUEUED.value).inc()


async def move(
    session: Session, actor: Actor, allocation_id: str, to: AllocationState, *, reason: str, code: str | None = None
) -> Moved:
    """Change the state, write the history, publish the event and count it; `code` is that of a failure.

    StateForbids when the present state does not lead there, and nothing is changed then.
    """
    parameters = {"id": allocation_id, "to": to.value, "sources": sources_of(to), "ends": to in ENDED}
    row = (await session.execute(_MOVE, parameters)).one_or_none()
    if row is None:
        present = (await session.execute(_PRESENT, {"id": allocation_id})).one_or_none()
        if present is None:
            raise NotFound("allocation", allocation_id)
        raise StateForbids(
            f"{present.name} is {present.state.replace('_', ' ')} and cannot become {to.value.replace('_', ' ')}. "
            "Nothing was changed."
        )
    moved = Moved(AllocationState(row.previous), row.name, row.organization_id)
    remembered = {"id": allocation_id, "previous": row.previous, "to": to.value, "reason": reason}
    await session.execute(
        _REMEMBER, {**remembered, "incident": _incident(moved.previous, to), "code": code, "actor": actor.shown_as}
    )
    resumes = moved.previous is _S.SUSPENDED and to is _S.ACTIVE
    event = events.AllocationResumed if resumes else _EVENTS[to]
    await publish(
        session,
        event(allocation_id=allocation_id, name=row.name, state=to.value, previous_state=row.previous, reason=reason),
        subject=allocation_id,
        organization_id=row.organization_id,
    )
    telemetry.allocation_transitions_total.labels(row.previous, to.value).inc()
    return moved


def _incident(previous: AllocationState, to: AllocationState) -> Incident | None:
    if to is AllocationState.LOST:
        return Incident.LOST
    return Incident.BACK if previous is AllocationState.LOST and to in STEADY else None


async def remark(
    session: Session,
    actor: Actor,
    allocation_id: str,
    state: AllocationState,
    *,
    reason: str,
    incident: Incident | None = None,
    code: str | None = None,
) -> None:
    """Write a line of history about something that changed no state; `incident` if it befell the work in it, and `code`
    if something failed."""
    remembered = {"id": allocation_id, "previous": state.value, "to": state.value, "reason": reason}
    await session.execute(_REMEMBER, {**remembered, "incident": incident, "code": code, "actor": actor.shown_as})


class OperationState(StrEnum):
    """Where an operation stands: it runs, and ends once."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


_END_OPERATION = text(
    """
    UPDATE allocation_operation
       SET state = :to, finished_at = clock_timestamp(), error = :error, operator_error = :operator_error,
           steps = :steps
     WHERE id = :id AND state = 'running'
    RETURNING kind
    """
).bindparams(
    bindparam("error", type_=JSONB(none_as_null=True)),
    bindparam("operator_error", type_=JSONB(none_as_null=True)),
    bindparam("steps", type_=JSONB),
)


async def end_operation(
    session: Session,
    operation_id: str,
    to: OperationState,
    *,
    steps: list[dict[str, Any]],
    error: dict[str, str] | None,
    operator_error: dict[str, Any] | None = None,
) -> bool:
    """End an operation; False if it has ended before, and nothing is changed then."""
    parameters = {
        "id": operation_id,
        "to": to.value,
        "steps": steps,
        "error": error,
        "operator_error": operator_error,
    }
    return (await session.execute(_END_OPERATION, parameters)).first() is not None


class PortState(StrEnum):
    """Where a published port stands."""

    OPENING = "opening"
    OPEN = "open"
    CLOSED = "closed"
    REFUSED = "refused"
    CLOSING = "closing"
    GONE = "gone"
