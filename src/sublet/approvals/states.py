"""The states of an approval. Nothing else assigns one."""

from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select, update

from sublet.approvals import events
from sublet.approvals.models import approval, approval_history
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.outbox import publish


class ApprovalState(StrEnum):
    """Where an approval stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    USED = "used"


_S = ApprovalState

TRANSITIONS: dict[ApprovalState, frozenset[ApprovalState]] = {
    _S.REQUESTED: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED}),
    _S.APPROVED: frozenset({_S.USED, _S.EXPIRED}),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.USED: frozenset(),
}
"""Every change that an approval's state may make; the table `approval_transition` says the same to PostgreSQL."""

OPEN = frozenset({_S.REQUESTED, _S.APPROVED})
"""States in which an approval still leads to something, or expires."""

_EVENTS: dict[ApprovalState, type[events.ApprovalEvent]] = {
    _S.REQUESTED: events.ApprovalRequested,
    _S.APPROVED: events.ApprovalApproved,
    _S.REJECTED: events.ApprovalRejected,
    _S.EXPIRED: events.ApprovalExpired,
    _S.USED: events.ApprovalUsed,
}


async def begin(session: Session, actor: Actor, approval_id: str, *, reason: str) -> None:
    """Write the first line of a new approval's history, and tell that it was asked for."""
    await _tell(session, actor, approval_id, previous=None, to=_S.REQUESTED, reason=reason)


async def move(
    session: Session, actor: Actor, approval_id: str, to: ApprovalState, *, reason: str, **values: Any
) -> None:
    """Bring an approval into a state, with further column values; Conflict if nothing leads there from where it is."""
    previous = (
        await session.execute(select(approval.c.state).where(approval.c.id == approval_id).with_for_update())
    ).scalar_one_or_none()
    if previous is None:
        raise NotFound("approval", approval_id)
    if to not in TRANSITIONS[ApprovalState(previous)]:
        raise Conflict(f"The approval {approval_id} is {previous} and cannot become {to.value}. Nothing was changed.")
    await session.execute(
        update(approval)
        .where(approval.c.id == approval_id, approval.c.state == previous)
        .values(state=to.value, **values)
    )
    await _tell(session, actor, approval_id, previous=ApprovalState(previous), to=to, reason=reason)


async def _tell(
    session: Session, actor: Actor, approval_id: str, *, previous: ApprovalState | None, to: ApprovalState, reason: str
) -> None:
    await session.execute(
        insert(approval_history).values(
            approval_id=approval_id,
            from_state=None if previous is None else previous.value,
            to_state=to.value,
            reason=reason,
            actor=actor.shown_as,
        )
    )
    row = (await session.execute(select(approval.c.act, approval.c.subject).where(approval.c.id == approval_id))).one()
    event = _EVENTS[to](approval_id=approval_id, act=row.act, subject=row.subject)
    await publish(session, event, subject=approval_id, organization_id=None)
