"""A top-up that is charged to a saved card while nobody is there: made once, confirmed if the bank asks, given up."""

from datetime import timedelta

from sqlalchemy import Row, select, update

from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import Conflict
from sublet.core.money import Money
from sublet.core.work import leases
from sublet.payments.models import saved_card, top_up
from sublet.payments.stripe import misconfiguration, saved_cards
from sublet.payments.stripe.errors import ProcessorRefused
from sublet.payments.stripe.processor import Processor
from sublet.payments.stripe.saved_cards import CardOrder
from sublet.payments.top_ups.states import OPEN, TopUpState, move

KEY_LIFETIME = timedelta(hours=23)
"""The processor remembers an idempotency key for a day; after that a repeated call might charge a second time."""
WAIT_FOR_HOLDER = timedelta(hours=24)
"""How long the holder of a card has for confirming a charge."""

TopUpRow = Row[tuple[object, ...]]


async def charge(database: Database, processor: Processor, row: TopUpRow) -> str | None:
    """The id of the top-up's payment, which is made if need be; None when there will never be one.

    While the processor remembers the key, the same call is the same payment. Later the payment is looked for, and where
    there is none the top-up fails: nothing was charged.
    """
    if row.payment_intent_id is not None or row.state not in OPEN:
        known: str | None = row.payment_intent_id
        return known
    async with database.reading() as session:
        order = await _order(session, row)
        too_late = await database_now(session) - row.created_at > KEY_LIFETIME
    try:
        async with misconfiguration.told_of(database):
            if too_late:
                since = row.created_at - timedelta(minutes=5)
                intent_id = await saved_cards.find_charge(processor, order, since=since)
            else:
                intent_id = await saved_cards.charge(processor, order)
    except ProcessorRefused as error:
        await _give_up(database, row.id, error.code, "The card processor does not charge this card.")
        return None
    if intent_id is None:
        await _give_up(database, row.id, "charge_not_made", "The card processor could not be reached for a day.")
        return None
    async with database.transaction() as session:
        await session.execute(
            update(top_up)
            .where(top_up.c.id == row.id, top_up.c.payment_intent_id.is_(None))
            .values(payment_intent_id=intent_id)
        )
    return intent_id


async def end_if_nobody_confirms(database: Database, processor: Processor, row: TopUpRow) -> None:
    """Give up a payment whose holder has not confirmed it in time, so that nobody can make it any more."""
    if row.state != TopUpState.NEEDS_ACTION:
        return
    async with database.reading() as session:
        waited = await database_now(session) - row.created_at
    if waited > WAIT_FOR_HOLDER:
        await saved_cards.cancel(processor, row.payment_intent_id)


def why_not_confirm(row: TopUpRow) -> Refusal | None:
    """Why a top-up is not one that its card's holder can confirm."""
    if row.state == TopUpState.NEEDS_ACTION:
        return None
    return Refusal(
        Conflict,
        f"The bank asks for no confirmation of this top-up, which is {str(row.state).replace('_', ' ')}.",
        outcome="Nothing was charged.",
    )


async def confirm(database: Database, processor: Processor, actor: Actor, row: TopUpRow) -> str:
    """Where the bank asks the card's holder, who is there now; the console's page where it has nothing to ask."""
    if refusal := why_not_confirm(row):
        raise refusal.problem
    async with database.reading() as session:
        order = await _order(session, row)
    async with misconfiguration.told_of(database):
        asks = await saved_cards.confirm(
            processor, row.payment_intent_id, order.payment_method_id, return_url=row.success_url
        )
    async with database.transaction() as session:
        await leases.look_again(session, "top_up", row.id, place=actor.organization)
    url: str = asks or row.success_url
    return url


async def _order(session: Session, row: TopUpRow) -> CardOrder:
    card = (await session.execute(select(saved_card).where(saved_card.c.id == row.saved_card_id))).one()
    return CardOrder(
        top_up_id=row.id,
        installation_id=row.installation_id,
        amount=Money(row.amount, row.currency),
        customer_id=card.customer_id,
        payment_method_id=card.payment_method_id,
    )


async def _give_up(database: Database, top_up_id: str, code: str, message: str) -> None:
    async with database.transaction() as session:
        current = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one()
        if current.state in OPEN and current.payment_intent_id is None:
            await move(
                session,
                top_up_id,
                TopUpState.FAILED,
                reason="the card could not be charged",
                failure_code=code,
                failure_message=message,
            )
