"""The states of a card's setup, from asking for a page until a card is saved or not. Nothing else assigns one."""

from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update

from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.outbox import publish
from sublet.payments.cards.events import CardSetupFailed
from sublet.payments.models import card_setup, card_setup_history


class SetupState(StrEnum):
    """Where the saving of a card stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"


TRANSITIONS: dict[SetupState, frozenset[SetupState]] = {
    SetupState.PENDING: frozenset(SetupState) - {SetupState.PENDING},
    SetupState.SUCCEEDED: frozenset(),
    SetupState.FAILED: frozenset(),
    SetupState.EXPIRED: frozenset(),
}


async def move(session: Session, setup_id: str, to: SetupState, *, reason: str, **values: Any) -> None:
    """Bring a setup into a state, with further column values; Conflict if that is not allowed from where it is."""
    previous = (
        await session.execute(select(card_setup.c.state).where(card_setup.c.id == setup_id).with_for_update())
    ).scalar_one()
    if to not in TRANSITIONS[SetupState(previous)]:
        raise Conflict(f"The card setup {setup_id} is {previous} and cannot become {to}. Nothing was changed.")
    changed = (
        await session.execute(
            update(card_setup)
            .where(card_setup.c.id == setup_id, card_setup.c.state == previous)
            .values(state=to, completed_at=func.clock_timestamp(), checkout_url=None, **values)
            .returning(card_setup.c.organization_id)
        )
    ).scalar_one()
    await session.execute(
        card_setup_history.insert().values(card_setup_id=setup_id, previous=previous, next=to, reason=reason)
    )
    if to is not SetupState.SUCCEEDED:
        event = CardSetupFailed(card_setup_id=setup_id)
        await publish(session, event, subject=setup_id, organization_id=changed)
