"""An organization's saved cards: which there are, which is the default, and how one is removed and forgotten."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.audit.record import record
from sublet.core.actions import Refusal, actions_of
from sublet.core.actors import Actor, Permission, system_actor
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.core.outbox import publish
from sublet.core.work import leases
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome
from sublet.core.work.pace import Pace
from sublet.payments.cards.audit import CardRecord
from sublet.payments.cards.events import CardMadeDefault, CardRemoved, CardSaved
from sublet.payments.cards.setups import SetupRow
from sublet.payments.models import processor_customer, saved_card
from sublet.payments.schemas import SavedCard
from sublet.payments.stripe import saved_cards
from sublet.payments.stripe.processor import Processor
from sublet.payments.stripe.saved_cards import CardSeen

CardRow = Row[*tuple[Any, ...]]
FORGET = "saved_card"

DENIED = "Only owners, admins and billing members of the organization may change its cards."

_card = saved_card.c


async def save(session: Session, setup: SetupRow, seen: CardSeen) -> None:
    """Note a card that a setup has saved, once; the only card is the default."""
    await alone(session, Space.SAVED_CARDS, setup.organization_id)
    others = await session.execute(_of(setup.organization_id).limit(1))
    values = {
        "organization_id": setup.organization_id,
        "card_setup_id": setup.id,
        "payment_method_id": seen.payment_method_id,
        "brand": seen.brand,
        "last4": seen.last4,
        "expiry_month": seen.expiry_month,
        "expiry_year": seen.expiry_year,
    }
    known = select(processor_customer.c.customer_id)
    known = known.where(processor_customer.c.organization_id == setup.organization_id)
    customer = (await session.execute(known)).scalar_one()
    made = insert(saved_card).values(
        id=new_id("card"), customer_id=customer, is_default=others.first() is None, **values
    )
    row = (await session.execute(made.on_conflict_do_nothing().returning(saved_card))).one_or_none()
    if row is None:
        return
    event = CardSaved(card_id=row.id, brand=row.brand, last4=row.last4)
    await publish(session, event, subject=row.id, organization_id=row.organization_id)
    after = CardRecord.model_validate(row)
    await record(
        session, system_actor(), "card.saved", "card", row.id, after=after, organization_id=row.organization_id
    )


async def list_cards(session: Session, actor: Actor, *, limit: int, before: int | None) -> Sequence[CardRow]:
    """Up to `limit` cards of the actor's organization, newest first, older than `before`."""
    query = _of(actor.organization)
    if before is not None:
        query = query.where(_card.seq < before)
    return (await session.execute(query.order_by(_card.seq.desc()).limit(limit))).all()


async def default_of(session: Session, organization_id: str) -> CardRow | None:
    """The card that an organization's auto top-ups are charged to."""
    return (await session.execute(_of(organization_id).where(_card.is_default))).one_or_none()


def why_not_default(card: CardRow) -> Refusal | None:
    """Why a card cannot be made the default."""
    if not card.is_default:
        return None
    return Refusal(Conflict, f"The card that ends in {card.last4} is the default already.")


async def make_default(session: Session, actor: Actor, card_id: str) -> CardRow:
    """Have auto top-ups charged to this card from now on; NotFound for one that is not the organization's."""
    await alone(session, Space.SAVED_CARDS, actor.organization)
    card = await _read(session, actor, card_id)
    if refusal := why_not_default(card):
        raise refusal.problem
    was = update(saved_card).where(_card.organization_id == actor.organization, _card.is_default)
    await session.execute(was.values(is_default=False))
    chosen = update(saved_card).where(_card.id == card_id).values(is_default=True).returning(saved_card)
    row: CardRow = (await session.execute(chosen)).one()
    event = CardMadeDefault(card_id=card_id)
    await publish(session, event, subject=card_id, organization_id=actor.organization)
    before, after = CardRecord.model_validate(card), CardRecord.model_validate(row)
    await record(session, actor, "card.made_default", "card", card_id, before=before, after=after)
    return row


async def remove(session: Session, actor: Actor, card_id: str) -> None:
    """Charge a card no more, and have the processor forget it; another one becomes the default by choice alone.

    A payment that waits for this card's holder stays one that they can confirm, until it ends by itself.
    """
    await alone(session, Space.SAVED_CARDS, actor.organization)
    card = await _read(session, actor, card_id)
    gone = update(saved_card).where(_card.id == card_id)
    await session.execute(gone.values(removed_at=func.clock_timestamp(), is_default=False))
    await leases.make_due(session, FORGET, card_id, place=actor.organization)
    await publish(session, CardRemoved(card_id=card_id), subject=card_id, organization_id=actor.organization)
    await record(session, actor, "card.removed", "card", card_id, before=CardRecord.model_validate(card))


async def ensure_forgotten(session: Session) -> None:
    """Let the processor be told of each card that was removed, whatever became of the work on it."""
    waits = select(_card.id).where(_card.removed_at.is_not(None), _card.forgotten_at.is_(None))
    await leases.ensure(session, FORGET, sorted((await session.execute(waits)).scalars()))


def view(actor: Actor, card: CardRow) -> SavedCard:
    """The card as the API shows it."""
    permitted = {"make_default": why_not_default(card), "remove": None}
    return SavedCard(
        id=card.id,
        brand=card.brand,
        last4=card.last4,
        expiry_month=card.expiry_month,
        expiry_year=card.expiry_year,
        is_default=card.is_default,
        saved_at=card.saved_at,
        actions=actions_of(actor, Permission.CARD_MANAGE, DENIED, permitted),
    )


def _of(organization_id: str) -> Select[*tuple[Any, ...]]:
    return select(saved_card).where(_card.organization_id == organization_id, _card.removed_at.is_(None))


async def _read(session: Session, actor: Actor, card_id: str) -> CardRow:
    found = await session.execute(_of(actor.organization).where(_card.id == card_id).with_for_update())
    row: CardRow | None = found.one_or_none()
    if row is None:
        raise NotFound("card", card_id)
    return row


STEPS = (
    Step(
        "forget",
        "has the processor take a removed card from its customer, for good",
        "a card that nobody can charge",
        "repeated it changes nothing: a card that the processor has forgotten already is fine",
    ),
    Step("note", "notes that it is forgotten", "the card's row", "none needed: one transaction"),
)

END = End(
    MOST_CRASHES,
    "never ends: tried until the processor answers; nothing here charges the card meanwhile",
    "set aside: nothing here charges the card, which the processor still has",
)


def work(processor: Processor) -> Work[str, None]:
    """The kind of work `saved_card`: the processor forgets what was removed here."""

    async def take(session: Session, lease: Lease) -> str | Outcome:
        row = (await session.execute(select(saved_card).where(_card.id == lease.id))).one_or_none()
        if row is None or row.removed_at is None or row.forgotten_at is not None:
            return Done()
        return str(row.payment_method_id)

    async def act(_lease: Lease, payment_method_id: str) -> None:
        await saved_cards.forget(processor, payment_method_id)

    async def conclude(session: Session, lease: Lease, _method: str, _nothing: None) -> Outcome:
        forgotten = update(saved_card).where(_card.id == lease.id).values(forgotten_at=func.clock_timestamp())
        await session.execute(forgotten)
        return Done()

    return Work(
        kind=FORGET,
        take=take,
        act=act,
        conclude=conclude,
        pace=Pace(shortest_seconds=1.0, longest_seconds=900.0),
        end=END,
        slots=4,
        slots_each=2,
        steps=STEPS,
    )


async def described(session: Session, card_id: str) -> str:
    """A card that was saved, also one that is removed by now, in words."""
    row = (await session.execute(select(saved_card).where(_card.id == card_id))).one()
    return f"{row.brand} ending in {row.last4}"
