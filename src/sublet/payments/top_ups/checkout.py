"""The remote half of a top-up: open its payment page, and look how it stands. Every step can be repeated.

Take, act, conclude: no session is open while the processor is called, and what is called depends on the row alone.
"""

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import Row, exists, func, or_, select, update

from sublet.core.clock import database_now
from sublet.core.db import Database, Session
from sublet.core.errors import NotFound, SubletError
from sublet.core.money import Money
from sublet.core.telemetry import get_logger
from sublet.core.work import leases
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease, LeaseLost
from sublet.core.work.outcomes import Again, Done, Outcome, SetAside
from sublet.core.work.pace import Pace, spread
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.findings.launches import STOP_CODE, STOP_SUBJECT
from sublet.payments.models import dispute, stripe_transaction, top_up
from sublet.payments.stripe import misconfiguration
from sublet.payments.stripe.errors import (
    ProcessorKeyMismatch,
    ProcessorMisconfigured,
    ProcessorRefused,
    ProcessorUnavailable,
    ProcessorUnknown,
)
from sublet.payments.stripe.processor import (
    LONGEST_CALL_SECONDS,
    CheckoutOrder,
    CheckoutSeen,
    PageRefused,
    Processor,
)
from sublet.payments.top_ups import off_session
from sublet.payments.top_ups.outcomes import Applied, apply, told_of
from sublet.payments.top_ups.states import OPEN, TopUpState, move

log = get_logger(__name__)

LEASE_SECONDS = 2 * LONGEST_CALL_SECONDS
# After its key is forgotten a repeated call might open a second page; but a page whose address we never learned cannot
# have been paid on, so giving up is safe.
KEY_LIFETIME = off_session.KEY_LIFETIME
LOOK_SECONDS = 60.0
"""How often an open payment is looked at that no webhook tells of."""

KEY_MISMATCH_CODE = "payments.key_mismatch"

WORK = "top_up"
PACE = Pace(shortest_seconds=1.0, longest_seconds=900.0)

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
        installation_id=row.installation_id,
        amount=Money(row.amount, row.currency),
        customer_email=row.customer_email,
        success_url=row.success_url,
        cancel_url=row.cancel_url,
    )
    try:
        async with misconfiguration.told_of(database):
            page = await processor.create_checkout(order)
    except ProcessorRefused as error:
        await _give_up(database, row.id, error.code, error.detail, fault=isinstance(error, ProcessorKeyMismatch))
        raise
    async with database.transaction() as session:
        await session.execute(
            update(top_up)
            .where(top_up.c.id == row.id, top_up.c.checkout_session_id.is_(None))
            .values(checkout_session_id=page.session_id, checkout_url=page.url)
        )
    return page.session_id


async def sight(database: Database, processor: Processor, top_up_id: str) -> CheckoutSeen | PageRefused | None:
    """How the top-up stands at the processor's; None when it has no payment there and gets none."""
    row = await load(database, top_up_id)
    by_page = row.saved_card_id is None
    found = await (open_page if by_page else off_session.charge)(database, processor, row)
    if found is None:
        return None
    try:
        async with misconfiguration.told_of(database):
            if by_page:
                return await processor.fetch_checkout(found)
            await off_session.end_if_nobody_confirms(database, processor, row)
            return await processor.fetch_intent(found)
    except ProcessorRefused as error:
        return PageRefused(error.detail, unknown=isinstance(error, ProcessorUnknown))


def log_failure(error: SubletError, **about: str) -> None:
    """What goes wrong at the processor is told elsewhere; a sighting that cannot be applied needs a person."""
    passing = isinstance(error, ProcessorUnavailable | ProcessorRefused)
    (log.warning if passing else log.error)("top_up.not_applied", code=error.code, detail=error.detail, **about)


async def wait_for_payment(database: Database, lease: Lease) -> None:
    """The page is open: nothing to do before the customer acts, so look again after a while only."""
    with suppress(LeaseLost):  # then somebody else has taken over the waiting
        async with database.transaction() as session:
            await leases.finish(session, lease, Again(LOOK_SECONDS), pace=PACE)


async def _give_up(database: Database, top_up_id: str, code: str, message: str, *, fault: bool = False) -> None:
    """End a top-up that gets no payment page; a `fault` of ours is a finding too."""
    async with database.transaction() as session:
        if fault:
            await findings.open_finding(
                session,
                code=KEY_MISMATCH_CODE,
                subject_type=WORK,
                subject_id=top_up_id,
                severity=Severity.CRITICAL,
                detail={"said": message},
            )
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


async def ensure_watched(session: Session) -> None:
    """Let every top-up that waits for money or for its fee be looked at, whatever became of the work on it.

    One that is a person's to see to waits for nothing.
    """
    fee_seen = exists().where(stripe_transaction.c.source == top_up.c.charge_id)
    waiting = or_(
        top_up.c.state.in_(OPEN), (top_up.c.state == TopUpState.SUCCEEDED) & top_up.c.fee.is_(None) & ~fee_seen
    )
    waits = set((await session.execute(select(top_up.c.id).where(waiting))).scalars())
    await leases.ensure(session, WORK, sorted(waits - await told_of(session, waits)))


async def look_for_taken_back(database: Database, processor: Processor, *, days: int) -> int:
    """Have each top-up looked at of which the processor gave money back in so many days; how many.

    So are those that are disputed still, and those of organizations whose launches stop for what they owe. It finds
    what no event told of. Without a key for the processor there is nothing to look for.
    """
    if processor.why_not_pay() is not None:
        return 0
    async with database.reading() as session:
        since = await database_now(session) - timedelta(days=days)
    async with misconfiguration.told_of(database):
        charges = await processor.charges_taken_back(since=since)
    await misconfiguration.is_mended(database)
    async with database.transaction() as session:
        undecided = select(dispute.c.top_up_id).where(dispute.c.state.in_(["inquiry", "open"]))
        stopped = await findings.subjects(session, code=STOP_CODE, subject_type=STOP_SUBJECT)
        gone = or_(
            top_up.c.charge_id.in_(charges),
            top_up.c.id.in_(undecided),
            top_up.c.organization_id.in_(stopped) & (top_up.c.state == TopUpState.SUCCEEDED),
        )
        rows = (
            await session.execute(select(top_up.c.id, top_up.c.organization_id).where(gone).order_by(top_up.c.id))
        ).all()
        for row in rows:
            await leases.look_again(session, WORK, row.id, place=row.organization_id)
    return len(rows)


STEPS = (
    Step(
        "open the page",
        "asks the processor for a payment page, under a key that is the top-up's id",
        "a page at the processor, and its address here",
        "repeated with the same key it is the same page; after a day without one the top-up fails, unpaid",
    ),
    Step(
        "or charge the card",
        "charges the saved card of a top-up that has one, under a key that is the top-up's id",
        "a payment at the processor, made, declined, or waiting for the card's holder, and its id here",
        "repeated with the same key it is the same payment; after a day it is looked for, and the top-up fails if "
        "there is none",
    ),
    Step(
        "look",
        "fetches how the payment stands; gives up one that the card's holder has not confirmed within a day",
        "nothing",
        "none needed: it is fetched again for as long as the top-up is open; where the processor does not accept our "
        "key, once it does",
    ),
    Step(
        "apply",
        "credits the wallet once and posts the fee once, waits for the card's holder, or ends the top-up without money",
        "ledger entries under the processor's own ids; money in another currency is a finding, and looked at no more; "
        "so is a page that the processor does not know, and its top-up fails, or that it refuses to show",
        "none needed: one transaction, and each entry has a key of its own",
    ),
)

END = End(
    MOST_CRASHES,
    "never ends while the top-up is open",
    "set aside: what was paid stays at the processor, and is in no wallet until it is taken up again",
)


def work(
    database: Database, processor: Processor
) -> Work[TopUpRow, CheckoutSeen | PageRefused | ProcessorMisconfigured | None]:
    """The kind of work `top_up`: resumes what a crash or an outage left, and watches payments until they end.

    A row's place is its organization: nobody's open payments keep those of others waiting.
    """

    async def take(session: Session, lease: Lease) -> TopUpRow | Outcome:
        row = (await session.execute(select(top_up).where(top_up.c.id == lease.id))).one_or_none()
        if row is None or (row.state not in OPEN and row.checkout_session_id is None and row.payment_intent_id is None):
            return Done()
        return row

    async def act(_lease: Lease, row: TopUpRow) -> CheckoutSeen | PageRefused | ProcessorMisconfigured | None:
        try:
            return await sight(database, processor, row.id)
        except ProcessorMisconfigured as error:
            return error
        except SubletError as error:
            log_failure(error, top_up=row.id)
            raise

    async def conclude(
        session: Session,
        _lease: Lease,
        row: TopUpRow,
        seen: CheckoutSeen | PageRefused | ProcessorMisconfigured | None,
    ) -> Outcome:
        if isinstance(seen, ProcessorMisconfigured):
            return SetAside(seen.code)
        if seen is None:
            return Done()
        try:
            applied = await apply(session, row.id, seen)
        except SubletError as error:
            log_failure(error, top_up=row.id)
            raise
        looked = update(top_up).where(top_up.c.id == row.id).values(looked_at=func.clock_timestamp())
        await session.execute(looked)
        return Again(spread(LOOK_SECONDS)) if applied is Applied.WAITING else Done()

    return Work(
        kind=WORK, take=take, act=act, conclude=conclude, pace=PACE, end=END, slots=32, slots_each=2, steps=STEPS
    )
