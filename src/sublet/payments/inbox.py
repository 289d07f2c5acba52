"""The inbox of the processor's events: kept once by id, worked off until applied.

An event only says which top-up to look at. The payment is fetched again, so duplicates and disorder converge.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core.db import Database, Session
from sublet.core.errors import SubletError
from sublet.core.work import leases
from sublet.core.work.declaration import Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome
from sublet.payments.checkout import PACE, log_failure, sight
from sublet.payments.models import stripe_event, top_up
from sublet.payments.outcomes import apply
from sublet.payments.processor import CheckoutSeen, Processor

WORK = "stripe_event"


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
    await leases.make_due(session, WORK, notice.id)
    return True


STEPS = (
    Step(
        "find the subject",
        "looks for the top-up that the event names",
        "an event about nothing of ours is noted as ignored",
        "none needed",
    ),
    Step("look", "fetches the payment again", "nothing", "none needed: duplicates and disorder converge"),
    Step(
        "apply",
        "makes the books agree with what was seen and notes the event as applied",
        "ledger entries under the processor's own ids",
        "none needed: one transaction, and each entry has a key of its own",
    ),
)


def work(database: Database, processor: Processor) -> Work[str, CheckoutSeen | None]:
    """The kind of work `stripe_event`: each event is applied once, however often and in whatever order they come."""

    async def take(session: Session, lease: Lease) -> str | Outcome:
        about = await session.execute(
            select(top_up.c.id)
            .select_from(stripe_event.join(top_up, top_up.c.id == stripe_event.c.top_up_id))
            .where(stripe_event.c.id == lease.id)
        )
        top_up_id: str | None = about.scalar_one_or_none()
        if top_up_id is None:  # not about a top-up, or about one of another installation
            return await _processed(session, lease.id, "ignored")
        return top_up_id

    async def act(lease: Lease, top_up_id: str) -> CheckoutSeen | None:
        try:
            return await sight(database, processor, top_up_id)
        except SubletError as error:
            log_failure(error, top_up=top_up_id, stripe_event=lease.id)
            raise

    async def conclude(session: Session, lease: Lease, top_up_id: str, seen: CheckoutSeen | None) -> Outcome:
        try:
            if seen is not None:
                await apply(session, top_up_id, seen)
        except SubletError as error:
            log_failure(error, top_up=top_up_id, stripe_event=lease.id)
            raise
        return await _processed(session, lease.id, "applied")

    return Work(kind=WORK, take=take, act=act, conclude=conclude, pace=PACE, slots=8, slots_each=8, steps=STEPS)


async def _processed(session: Session, event_id: str, outcome: str) -> Done:
    values = {"processed_at": func.clock_timestamp(), "outcome": outcome}
    await session.execute(update(stripe_event).where(stripe_event.c.id == event_id).values(values))
    return Done()
