"""The states of a refund request. Nothing else assigns one."""

from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.outbox import publish
from sublet.payments.models import refund_request
from sublet.payments.refunds.events import RefundRequestDecided


class RefundRequestState(StrEnum):
    """Where a refund request stands."""

    REQUESTED = "requested"
    GRANTED = "granted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


TRANSITIONS: dict[RefundRequestState, frozenset[RefundRequestState]] = {
    RefundRequestState.REQUESTED: frozenset(RefundRequestState) - {RefundRequestState.REQUESTED},
    RefundRequestState.GRANTED: frozenset(),
    RefundRequestState.DECLINED: frozenset(),
    RefundRequestState.WITHDRAWN: frozenset(),
}


async def move(
    session: Session, actor: Actor, request_id: str, to: RefundRequestState, *, reason: str, **values: Any
) -> None:
    """Decide on a refund request; Conflict if somebody has by now."""
    previous = (
        await session.execute(select(refund_request.c.state).where(refund_request.c.id == request_id).with_for_update())
    ).scalar_one()
    if to not in TRANSITIONS[RefundRequestState(previous)]:
        raise Conflict(f"The refund request {request_id} is {previous} already. Nothing was changed.")
    row = (
        await session.execute(
            update(refund_request)
            .where(refund_request.c.id == request_id, refund_request.c.state == previous)
            .values(
                state=to,
                decided_by=actor.user_id,
                decided_by_name=actor.name or actor.shown_as,
                decision=reason,
                decided_at=func.clock_timestamp(),
                **values,
            )
            .returning(refund_request.c.organization_id, refund_request.c.top_up_id)
        )
    ).one()
    event = RefundRequestDecided(
        refund_request_id=request_id,
        top_up_id=row.top_up_id,
        granted=to is RefundRequestState.GRANTED,
        decision=reason,
    )
    await publish(session, event, subject=request_id, organization_id=row.organization_id)
