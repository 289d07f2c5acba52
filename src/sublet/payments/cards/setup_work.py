"""The remote half of saving a card: have a customer, open the page, look until a card is saved. Each step repeats."""

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import NotFound
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome, SetAside
from sublet.core.work.pace import spread
from sublet.payments.cards import card
from sublet.payments.cards.setups import WORK, SetupRow
from sublet.payments.cards.states import SetupState, move
from sublet.payments.models import card_setup, processor_customer
from sublet.payments.stripe import misconfiguration, saved_cards
from sublet.payments.stripe.errors import ProcessorMisconfigured, ProcessorRefused
from sublet.payments.stripe.processor import Processor
from sublet.payments.stripe.saved_cards import SetupOrder, SetupSeen
from sublet.payments.top_ups.checkout import KEY_LIFETIME, LOOK_SECONDS, PACE

STEPS = (
    Step(
        "have a customer",
        "makes the organization known to the processor, under a key that is the organization's id",
        "a customer at the processor, without a card",
        "repeated with the same key it is the same one; a second one of a later day stays empty",
    ),
    Step(
        "open the page",
        "asks the processor for a page that saves a card, under a key that is the setup's id",
        "a page at the processor, and its address here",
        "repeated with the same key it is the same page; after a day without one the setup fails, and no card is saved",
    ),
    Step("look", "fetches how the page stands", "nothing", "none needed: it is fetched again while the setup is open"),
    Step(
        "save",
        "notes what the card is known by, as the default if it is the only one, or ends the setup without a card",
        "a row for the card; its number is the processor's alone",
        "none needed: one transaction, once for each setup",
    ),
)

END = End(
    MOST_CRASHES,
    "never ends while the setup is open",
    "set aside: a card that was saved stays at the processor, and is charged by nobody",
)


async def open_page(database: Database, processor: Processor, setup_id: str) -> str | None:
    """The id of the setup's page, which is opened if need be; None when there will never be one."""
    row = await load(database, setup_id)
    if row.checkout_session_id is not None or row.state != SetupState.PENDING:
        known: str | None = row.checkout_session_id
        return known
    async with database.reading() as session:
        too_late = await database_now(session) - row.created_at > KEY_LIFETIME
    if too_late:
        await _give_up(database, setup_id, "checkout_not_created", "The card processor could not be reached for a day.")
        return None
    try:
        async with misconfiguration.told_of(database):
            order = SetupOrder(
                setup_id=row.id,
                installation_id=row.installation_id,
                customer_id=await _customer(database, processor, row),
                success_url=row.success_url,
                cancel_url=row.cancel_url,
            )
            page = await saved_cards.open_setup(processor, order)
    except ProcessorRefused as error:
        await _give_up(database, setup_id, error.code, error.detail)
        raise
    async with database.transaction() as session:
        await session.execute(
            update(card_setup)
            .where(card_setup.c.id == setup_id, card_setup.c.checkout_session_id.is_(None))
            .values(checkout_session_id=page.session_id, checkout_url=page.url)
        )
    return page.session_id


async def load(database: Database, setup_id: str) -> SetupRow:
    """The row as it stands."""
    async with database.reading() as session:
        row = (await session.execute(select(card_setup).where(card_setup.c.id == setup_id))).one_or_none()
    if row is None:
        raise NotFound("card setup", setup_id)
    return row


async def _customer(database: Database, processor: Processor, row: SetupRow) -> str:
    """The organization's customer at the processor, made for its first card."""
    of_organization = select(processor_customer.c.customer_id).where(
        processor_customer.c.organization_id == row.organization_id
    )
    async with database.reading() as session:
        known: str | None = (await session.execute(of_organization)).scalar_one_or_none()
    if known is not None:
        return known
    made = await saved_cards.create_customer(
        processor, organization_id=row.organization_id, installation_id=row.installation_id
    )
    async with database.transaction() as session:
        await session.execute(
            insert(processor_customer)
            .values(organization_id=row.organization_id, customer_id=made)
            .on_conflict_do_nothing()
        )
        return str((await session.execute(of_organization)).scalar_one())


async def _give_up(database: Database, setup_id: str, code: str, message: str) -> None:
    async with database.transaction() as session:
        current = (await session.execute(select(card_setup).where(card_setup.c.id == setup_id).with_for_update())).one()
        if current.state == SetupState.PENDING and current.checkout_session_id is None:
            reason = "no page could be opened"
            await move(session, setup_id, SetupState.FAILED, reason=reason, failure_code=code, failure_message=message)


async def apply(session: Session, setup_id: str, seen: SetupSeen | None) -> bool:
    """Make our rows agree with what was seen, any number of times; False while there is something to wait for.

    `seen` is None for a page that the processor does not know or show.
    """
    row = (await session.execute(select(card_setup).where(card_setup.c.id == setup_id).with_for_update())).one()
    if row.state != SetupState.PENDING:
        return True
    if seen is None:
        said = "The card processor does not show the page for saving the card. Try again."
        await move(
            session,
            setup_id,
            SetupState.FAILED,
            reason="the processor does not show its page",
            failure_code="checkout_unknown",
            failure_message=said,
        )
        return True
    if seen.card is not None:
        await move(
            session,
            setup_id,
            SetupState.SUCCEEDED,
            reason="the card was saved",
            setup_intent_id=seen.intent_id,
            failure_code=None,
            failure_message=None,
        )
        await card.save(session, row, seen.card)
        return True
    code, message = seen.failure or (None, None)
    if seen.session_status == "expired":
        await move(
            session,
            setup_id,
            SetupState.EXPIRED,
            reason="the page expired",
            failure_code=code or "checkout_expired",
            failure_message=message or "The page for saving the card was left without saving one.",
        )
        return True
    if (row.failure_code, row.failure_message) != (code, message):
        await session.execute(
            update(card_setup).where(card_setup.c.id == setup_id).values(failure_code=code, failure_message=message)
        )
    return False


def work(database: Database, processor: Processor) -> Work[SetupRow, SetupSeen | ProcessorMisconfigured | None]:
    """The kind of work `card_setup`: resumes what a crash or an outage left, and looks until a card is saved."""

    async def take(session: Session, lease: Lease) -> SetupRow | Outcome:
        row = (await session.execute(select(card_setup).where(card_setup.c.id == lease.id))).one_or_none()
        return Done() if row is None or row.state != SetupState.PENDING else row

    async def act(_lease: Lease, row: SetupRow) -> SetupSeen | ProcessorMisconfigured | None:
        try:
            session_id = await open_page(database, processor, row.id)
            if session_id is None:
                return None
            async with misconfiguration.told_of(database):
                return await saved_cards.fetch_setup(processor, session_id)
        except ProcessorMisconfigured as error:
            return error
        except ProcessorRefused:
            return None

    async def conclude(
        session: Session, _lease: Lease, row: SetupRow, seen: SetupSeen | ProcessorMisconfigured | None
    ) -> Outcome:
        if isinstance(seen, ProcessorMisconfigured):
            return SetAside(seen.code)
        over = await apply(session, row.id, seen)
        looked = update(card_setup).where(card_setup.c.id == row.id).values(looked_at=func.clock_timestamp())
        await session.execute(looked)
        return Done() if over else Again(spread(LOOK_SECONDS))

    return Work(
        kind=WORK, take=take, act=act, conclude=conclude, pace=PACE, end=END, slots=16, slots_each=2, steps=STEPS
    )
