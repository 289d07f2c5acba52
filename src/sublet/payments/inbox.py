"""The inbox of the processor's events: kept once by id, worked off until applied.

An event only says which top-up to look at. The payment is fetched again, so duplicates and disorder converge.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core import leases
from sublet.core.db import Database, Session
from sublet.core.errors import SubletError
from sublet.core.jobs import poke
from sublet.core.leases import Lease, LeaseLost
from sublet.core.telemetry import get_logger
from sublet.payments.checkout import LEASE_SECONDS, log_failure, sight
from sublet.payments.models import stripe_event, top_up
from sublet.payments.outcomes import apply
from sublet.payments.processor import Processor
from sublet.payments.retries import pause_seconds

log = get_logger(__name__)

POKE = "stripe_event"
EVENTS_PER_SWEEP = 100


@dataclass(frozen=True, slots=True)
class Notice:
    """What is kept of an event: which it is and what it is about."""

    id: str
    type: str
    created_at: datetime
    object_id: str | None
    top_up_id: str | None


async def keep(session: Session, notice: Notice) -> bool:
    """Store an event and ask a worker to look at it; False if it is here already."""
    stored = await session.execute(
        insert(stripe_event)
        .values(
            id=notice.id,
            type=notice.type,
            created_at=notice.created_at,
            object_id=notice.object_id,
            top_up_id=notice.top_up_id,
        )
        .on_conflict_do_nothing()
        .returning(stripe_event.c.id)
    )
    if stored.first() is None:
        return False
    await poke(session, POKE, notice.id)
    return True


async def process_due(database: Database, processor: Processor) -> int:
    """Work off the events whose time has come; how many were taken up."""
    async with database.reading() as session:
        ids = await leases.due(session, stripe_event, limit=EVENTS_PER_SWEEP)
    return sum([await process(database, processor, event_id) for event_id in ids])


async def process(database: Database, processor: Processor, event_id: str) -> bool:
    """Apply one event, unless somebody else does or it is not due; False then."""
    async with database.transaction() as session:
        lease = await leases.claim(session, stripe_event, event_id, seconds=LEASE_SECONDS)
        if lease is None:
            return False
        row = (
            await session.execute(
                select(stripe_event.c.attempts, top_up.c.id.label("top_up_id"))
                .select_from(stripe_event.outerjoin(top_up, top_up.c.id == stripe_event.c.top_up_id))
                .where(stripe_event.c.id == event_id)
            )
        ).one()
        if row.top_up_id is None:  # not about a top-up, or about one of another installation
            await _finish(session, lease, "ignored")
            return True
    try:
        seen = await sight(database, processor, row.top_up_id)
        async with database.transaction() as session:
            await leases.hold(session, lease)
            if seen is not None:
                await apply(session, row.top_up_id, seen)
            await _finish(session, lease, "applied")
    except LeaseLost:
        log.info("stripe_event.lease_lost", stripe_event=event_id)
    except SubletError as error:
        log_failure(error, top_up=row.top_up_id, stripe_event=event_id)
        await _postpone(database, lease, error.code, pause_seconds(row.attempts))
    return True


async def _finish(session: Session, lease: Lease, outcome: str) -> None:
    await session.execute(
        update(stripe_event)
        .where(stripe_event.c.id == lease.row_id)
        .values(processed_at=func.clock_timestamp(), outcome=outcome, last_error=None)
    )
    await leases.finish(session, lease, retry_in_seconds=None)


async def _postpone(database: Database, lease: Lease, code: str, seconds: float) -> None:
    with suppress(LeaseLost):  # then somebody else has the event
        async with database.transaction() as session:
            await session.execute(update(stripe_event).where(stripe_event.c.id == lease.row_id).values(last_error=code))
            await leases.finish(session, lease, retry_in_seconds=seconds)
