"""The schedule: every periodic task, how often it runs, and what it runs.

A tick that takes a session is one transaction, together with the note that it ran.
"""

from sublet.admin import checks, seals
from sublet.allocations import funds as allocation_funds
from sublet.allocations.work import sweep as allocation_sweep
from sublet.approvals import approvals
from sublet.billing import credit_expiry, credit_notices, extension, funds, settlement, watermarks
from sublet.billing.limit_review import review_limits
from sublet.billing.policy import Policy
from sublet.core import heads
from sublet.core.db import Database, Session
from sublet.core.outbox import StoredEvent
from sublet.core.runtime import keyring_of
from sublet.core.settings import Settings
from sublet.core.signer import Signer
from sublet.core.work.ticks import Tick, make_due
from sublet.entry import retention
from sublet.findings.checks import keep
from sublet.fleet import drains
from sublet.fleet.observation import Observer
from sublet.ledger.seals import seal_ranges
from sublet.payments.cards import card, expiry, setups
from sublet.payments.mirror import look
from sublet.payments.refunds import work as refund_work
from sublet.payments.stripe.processor import Processor
from sublet.payments.top_ups import checkout

REVIEW = "review funds"
REVIEW_LIMITS = "review spending limits"
OFFLINE_SECONDS = 2.0
MINUTE = 60.0
HOUR = 3600.0
DAY = 86_400.0


async def review_funds_soon(session: Session, _event: StoredEvent) -> None:
    """Make the next review due at once; handler of `top_up.succeeded`."""
    await make_due(session, REVIEW)


async def review_limits_soon(session: Session, _event: StoredEvent) -> None:
    """Make the next review of limits due at once; handler of `spending_limit.set`."""
    await make_due(session, REVIEW_LIMITS)


def schedule(
    database: Database, settings: Settings, policy: Policy, observer: Observer, processor: Processor
) -> list[Tick]:
    """Every periodic task."""

    async def look_for_taken_back() -> None:
        await checkout.look_for_taken_back(database, processor, days=2)

    async def look_far_back() -> None:
        await checkout.look_for_taken_back(database, processor, days=90)

    async def mirror() -> None:
        await look.look(database, processor)

    async def mirror_far_back() -> None:
        await look.look(database, processor, days=90)

    async def watch_cards(session: Session) -> None:
        await setups.ensure_watched(session)
        await card.ensure_forgotten(session)

    async def note_absence(session: Session) -> None:
        await observer.note_offline(session)
        await allocation_sweep.mark_lost(session)

    async def settle() -> None:
        await settlement.settle_all(database, policy=policy)

    async def expire_credit() -> None:
        await credit_expiry.expire_all(database, policy=policy)

    async def tell_what_expires(session: Session) -> None:
        await credit_notices.tell(session)
        await expiry.tell(session)

    async def fit_holds() -> None:
        await extension.fit_all(database, policy=policy)

    async def review(session: Session) -> None:
        for action in await funds.review(session, policy=policy):
            await allocation_funds.carry_out(session, action)

    async def look_at_limits(session: Session) -> None:
        for step in await review_limits(session, policy=policy):
            await allocation_funds.carry_out_limit(session, step)

    async def check(session: Session, *, thorough: bool = False) -> None:
        await keep(session, await checks.run(session, thorough=thorough, heads_file=heads_file))

    async def check_thoroughly(session: Session) -> None:
        await check(session, thorough=True)

    async def forget() -> None:
        await retention.forget(database, settings)

    async def publish_heads() -> None:
        assert heads_file is not None
        await heads.publish(database, signer, heads_file, seals.CHAINS)

    async def seal_registers() -> None:
        await seals.seal_registers(database)

    heads_file = settings.seal_heads_file
    signer = Signer(database, keyring_of(settings))
    publishing = [] if heads_file is None else [Tick("publish seals", MINUTE, run_alone=publish_heads)]
    metering_seconds = float(settings.metering_interval_seconds)
    return [
        *publishing,
        Tick("note absent nodes", OFFLINE_SECONDS, note_absence),
        Tick("watch drains", OFFLINE_SECONDS, drains.tell_due),
        Tick("meter", metering_seconds, watermarks.tick),
        Tick("extend holds", metering_seconds, run_alone=fit_holds),
        Tick(REVIEW, metering_seconds, review),
        Tick(REVIEW_LIMITS, metering_seconds, look_at_limits),
        Tick("settle", min(MINUTE, settings.settle_interval_seconds), run_alone=settle),
        Tick("expire credit", MINUTE, run_alone=expire_credit),
        Tick("tell what expires", HOUR, tell_what_expires),
        Tick("seal the ledger", MINUTE, seal_ranges),
        Tick("seal usage, payments and the trail", MINUTE, run_alone=seal_registers),
        Tick("watch top-ups", MINUTE, checkout.ensure_watched),
        Tick("watch cards", MINUTE, watch_cards),
        Tick("watch refunds", MINUTE, refund_work.ensure_watched),
        Tick("look for money taken back", MINUTE, run_alone=look_for_taken_back),
        Tick("look far back for money taken back", DAY, run_alone=look_far_back),
        Tick("mirror the processor", MINUTE, run_alone=mirror),
        Tick("mirror the processor far back", DAY, run_alone=mirror_far_back),
        Tick("expire approvals", MINUTE, approvals.expire_due),
        Tick("check balances", 5 * MINUTE, check),
        Tick("forget what has expired", HOUR, run_alone=forget),
        Tick("check the books", DAY, check_thoroughly),
    ]
