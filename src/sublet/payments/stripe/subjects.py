"""What an event of the processor is about: the registry by type of object, and the few events that need nothing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, or_, select

from sublet.core.db import Session
from sublet.payments import installation
from sublet.payments.models import stripe_event, top_up


class Meaning(StrEnum):
    """What an event may mean for the books."""

    PAYMENT = "payment"
    TAKEN_BACK = "taken back"
    WARNING = "warning"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


BY_OBJECT: Mapping[str, Meaning] = {
    "checkout.session": Meaning.PAYMENT,
    "payment_intent": Meaning.PAYMENT,
    "charge": Meaning.PAYMENT,
    "refund": Meaning.TAKEN_BACK,
    "dispute": Meaning.TAKEN_BACK,
    "radar.early_fraud_warning": Meaning.WARNING,
}
"""What events about an object of each type mean. An event about any other type is not understood, and a finding."""

BY_TYPE: Mapping[str, Meaning] = {
    "charge.refunded": Meaning.TAKEN_BACK,
}
"""Events that mean something else than their object does."""

IGNORED = ("customer.", "payment_method.", "setup_intent.", "product.", "price.", "payout.", "balance.")
"""Beginnings of the types that say nothing that is kept here, or nothing that the mirror does not see by itself."""

MOVES_MONEY = frozenset({"charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"})
"""Payments: one that belongs to no top-up here has brought money that nobody has in the books."""


def meaning_of(event_type: str, object_type: str | None) -> Meaning:
    """What an event means, by its type and by that of its object."""
    if event_type.startswith(IGNORED):
        return Meaning.NOTHING
    return BY_TYPE.get(event_type) or BY_OBJECT.get(object_type or "", Meaning.UNKNOWN)


async def find_top_up(session: Session, event_id: str) -> str | None:
    """The top-up that a stored event is about, by every id that it names; None for what is not ours."""
    event = stripe_event.c
    matches = or_(
        top_up.c.id == event.top_up_id,
        top_up.c.checkout_session_id == event.object_id,
        top_up.c.payment_intent_id == event.payment_intent_id,
        top_up.c.charge_id == event.charge_id,
    )
    found = select(top_up.c.id).select_from(stripe_event.join(top_up, matches)).where(event.id == event_id).limit(1)
    return (await session.execute(found)).scalar_one_or_none()


async def may_be_ours(session: Session, event: Row[tuple[Any, ...]], meaning: Meaning) -> bool:
    """Whether a person has to look at an event about no top-up that is known here.

    One that names this installation is about a top-up that was lost, with all that came after a backup, say. One that
    names another is theirs. One that names none, as of a page from before installations had ids, may be either's: it is
    for a person if it has moved money.
    """
    if event.installation_id is not None:
        return bool(event.installation_id == await installation.own_id(session))
    return meaning is Meaning.TAKEN_BACK or event.type in MOVES_MONEY


async def read_event(session: Session, event_id: str) -> Row[tuple[Any, ...]] | None:
    """A stored event."""
    return (await session.execute(select(stripe_event).where(stripe_event.c.id == event_id))).one_or_none()
