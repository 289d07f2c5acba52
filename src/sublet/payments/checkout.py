"""The remote half of a top-up: open its payment page, and look how it stands. Every step can be repeated.

Load → act → apply: no session is open while the processor is called, and what is called depends on the row alone.
"""

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import Row, exists, func, or_, select, update

from sublet.core import leases
from sublet.core.clock import database_now
from sublet.core.db import Database
from sublet.core.errors import NotFound, SubletError
from sublet.core.leases import Lease, LeaseLost
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.payments.models import stripe_transaction, top_up
from sublet.payments.outcomes import apply
from sublet.payments.processor import (
    LONGEST_CALL_SECONDS,
    CheckoutOrder,
    CheckoutSeen,
    Processor,
    ProcessorRefused,
    ProcessorUnavailable,
)
from sublet.payments.retries import pause_seconds
from sublet.payments.states import OPEN, TopUpState, move

log = get_logger(__name__)

LEASE_SECONDS = 2 * LONGEST_CALL_SECONDS
# The processor remembers an idempotency key for a day. After that a repeated call might open a second page; but a page
# whose address we never learned cannot have been paid on, so giving up is safe.
KEY_LIFETIME = timedelta(hours=23)
ROWS_PER_SWEEP = 50
FIRST_LOOK_SECONDS = 60.0

TopUpRow = Row[tuple[object, ...]]


async def load(database: Database, top_up_id: str) -> TopUpRow:
    """The row as it stands."""
    async with database.reading() as session:
        row = (await session.execute(select(top_up).where(top_up.c.id == top_up_id))).one_or_none()
    if row is None:
        raise NotFound("top-up", top_up_id)
    return row


async def open_page(database: Database, processor: Processor, row: TopUpRow) -> str | None:
    """The id of the top-up's payment page, which is opened if need be; None when there will never be one."""
    if row.checkout_session_id is not None or row.state not in OPEN:
        known: str | None = row.checkout_session_id
        return known
    async with database.reading() as session:
        too_late = await database_now(session) - row.created_at > KEY_LIFETIME
    if too_late:
        await _give_up(database, row.id, "checkout_not_created", "The card processor could not be reached for a day.")
        return None
    order = CheckoutOrder(
        top_up_id=row.id,
        amount=Money(row.amount, row.currency),
        customer_email=row.customer_email,
        success_url=row.success_url,
        cancel_url=row.cancel_url,
    )
    try:
        page = await processor.create_checkout(order)
    except ProcessorRefused as error:
        await _give_up(database, row.id, error.code, error.detail)
        raise
    async with database.transaction() as session:
        await session.execute(
            update(top_up)
            .where(top_up.c.id == row.id, top_up.c.checkout_session_id.is_(None))
            .values(checkout_session_id=page.session_id, checkout_url=page.url)
        )
    return page.session_id


async def sight(database: Database, processor: Processor, top_up_id: str) -> CheckoutSeen | None:
    """How the top-up stands at the processor's; None when it has no payment page and gets none."""
    session_id = await open_page(database, processor, await load(database, top_up_id))
    return None if session_id is None else await processor.fetch_checkout(session_id)


async def look_at(database: Database, processor: Processor, top_up_id: str) -> None:
    """Answer a poke: refetch the payment and apply what is seen, whatever the schedule says; failures are logged."""
    try:
        seen = await sight(database, processor, top_up_id)
        if seen is None:
            return
        async with database.transaction() as session:
            await apply(session, top_up_id, seen)
            await session.execute(
                update(top_up).where(top_up.c.id == top_up_id).values(looked_at=func.clock_timestamp())
            )
    except SubletError as error:
        log_failure(error, top_up=top_up_id)


async def process_due(database: Database, processor: Processor) -> int:
    """Resume what a crash or an outage left behind, and look at payments whose webhook may be lost; how many."""
    async with database.reading() as session:
        ids = await leases.due(session, top_up, limit=ROWS_PER_SWEEP)
    worked = 0
    for top_up_id in ids:
        async with database.transaction() as session:
            lease = await leases.claim(session, top_up, top_up_id, seconds=LEASE_SECONDS)
        if lease is not None:
            await work_on(database, processor, lease)
            worked += 1
    return worked


async def work_on(database: Database, processor: Processor, lease: Lease) -> None:
    """One look under a lease; it ends done, or due again after a pause."""
    try:
        seen = await sight(database, processor, lease.row_id)
        async with database.transaction() as session:
            await leases.hold(session, lease)
            done = seen is None or await apply(session, lease.row_id, seen)
            row = (await session.execute(select(top_up.c.attempts).where(top_up.c.id == lease.row_id))).one()
            await session.execute(
                update(top_up).where(top_up.c.id == lease.row_id).values(looked_at=func.clock_timestamp())
            )
            # An open page is looked at less and less often: the webhook is the usual way.
            await leases.finish(session, lease, retry_in_seconds=None if done else pause_seconds(row.attempts + 4))
    except LeaseLost:
        log.info("top_up.lease_lost", top_up=lease.row_id)
    except SubletError as error:
        log_failure(error, top_up=lease.row_id)
        await _give_back(database, lease)


def log_failure(error: SubletError, **about: str) -> None:
    """An outage passes by itself; a sighting that cannot be applied needs a person."""
    passing = isinstance(error, ProcessorUnavailable | ProcessorRefused)
    (log.warning if passing else log.error)("top_up.not_applied", code=error.code, detail=error.detail, **about)


async def wait_for_payment(database: Database, lease: Lease) -> None:
    """The page is open: nothing to do before the customer acts, so look again after a while only."""
    with suppress(LeaseLost):  # then somebody else has taken over the waiting
        async with database.transaction() as session:
            await leases.finish(session, lease, retry_in_seconds=FIRST_LOOK_SECONDS)


async def _give_back(database: Database, lease: Lease) -> None:
    with suppress(LeaseLost):
        async with database.transaction() as session:
            row = (await session.execute(select(top_up).where(top_up.c.id == lease.row_id))).one()
            hopeless = row.state not in OPEN and row.checkout_session_id is None
            await leases.finish(session, lease, retry_in_seconds=None if hopeless else pause_seconds(row.attempts))


async def _give_up(database: Database, top_up_id: str, code: str, message: str) -> None:
    async with database.transaction() as session:
        current = (await session.execute(select(top_up).where(top_up.c.id == top_up_id).with_for_update())).one()
        if current.state in OPEN and current.checkout_session_id is None:
            await move(
                session,
                top_up_id,
                TopUpState.FAILED,
                reason="no payment page could be opened",
                failure_code=code,
                failure_message=message,
            )


async def reconcile_pending(database: Database, processor: Processor) -> int:
    """Look at every top-up that waits for money or for its fee, and find what lost webhooks kept from us; how many."""
    fee_seen = exists().where(stripe_transaction.c.source == top_up.c.charge_id)
    waiting = or_(
        top_up.c.state.in_(OPEN), (top_up.c.state == TopUpState.SUCCEEDED) & top_up.c.fee.is_(None) & ~fee_seen
    )
    looked, after = 0, 0
    while True:
        async with database.reading() as session:
            rows = (
                await session.execute(
                    select(top_up.c.id, top_up.c.seq)
                    .where(waiting, top_up.c.seq > after)
                    .order_by(top_up.c.seq)
                    .limit(ROWS_PER_SWEEP)
                )
            ).all()
        if not rows:
            return looked
        for row in rows:
            await look_at(database, processor, row.id)
            looked, after = looked + 1, row.seq
