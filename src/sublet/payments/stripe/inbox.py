"""The inbox of the processor's events: kept once by id, and worked off until applied, ignored or found not understood.

An event only says which top-up to look at. The payment is fetched again, so duplicates and disorder converge.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from sublet.core.db import Database, Session
from sublet.core.errors import Conflict, NotFound, SubletError
from sublet.core.work import leases
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done, Outcome, SetAside
from sublet.findings import findings
from sublet.findings.findings import Severity
from sublet.payments.cards import setups
from sublet.payments.models import card_setup, stripe_event
from sublet.payments.stripe import fraud_warnings
from sublet.payments.stripe.errors import ProcessorMisconfigured
from sublet.payments.stripe.processor import CheckoutSeen, PageRefused, Processor
from sublet.payments.stripe.subjects import Meaning, find_top_up, may_be_ours, meaning_of, read_event
from sublet.payments.top_ups import outcomes
from sublet.payments.top_ups.checkout import PACE, log_failure, sight
from sublet.payments.top_ups.outcomes import Applied, apply

WORK = "stripe_event"
UNHANDLED_CODE = "payments.unhandled_event"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is kept of an event: which it is, and the ids of what it is about."""

    id: str
    type: str
    created_at: datetime
    object_type: str | None
    object_id: str | None
    charge_id: str | None
    payment_intent_id: str | None
    top_up_id: str | None
    installation_id: str | None
    card_setup_id: str | None = None


@dataclass(frozen=True, slots=True)
class About:
    """An event to be worked off as it is stored, the top-up that it is about, and what it means."""

    event: Row[tuple[Any, ...]]
    top_up_id: str
    meaning: Meaning


async def keep(session: Session, notice: Notice) -> bool:
    """Store an event and ask a worker to look at it; False if it is here already."""
    stored = await session.execute(
        insert(stripe_event).values(asdict(notice)).on_conflict_do_nothing().returning(stripe_event.c.id)
    )
    if stored.first() is None:
        return False
    await leases.make_due(session, WORK, notice.id)
    return True


async def process_again(session: Session, event_id: str) -> None:
    """Work an event off once more that was not understood. NotFound; Conflict for one that was, or waits."""
    event = await read_event(session, event_id)
    if event is None:
        raise NotFound("payment event", event_id)
    if event.outcome != "unhandled":
        raise Conflict(f"The event {event_id} is not one that was not understood. Nothing was changed.")
    await session.execute(
        update(stripe_event).where(stripe_event.c.id == event_id).values(processed_at=None, outcome=None)
    )
    await leases.make_due(session, WORK, event_id)


STEPS = (
    Step(
        "find the subject",
        "looks in the registry what the event means, and for the top-up by every id that it names",
        "an event about nothing, or another installation's top-up, is noted as ignored; one that is not understood, or "
        "whose top-up of ours is gone, as unhandled, with a finding",
        "an operator has an unhandled event processed again once it is understood",
    ),
    Step(
        "look",
        "fetches the payment again",
        "nothing",
        "none needed: duplicates and disorder converge; where the processor does not accept our key, it is done once "
        "it does",
    ),
    Step(
        "apply",
        "makes the books agree with what was seen of payment, refunds and disputes, and notes the outcome",
        "ledger entries under keys of the refund, the dispute or the processor's own ids, a hold for what is disputed, "
        "and findings for what waits for a person; a payment in another currency than its top-up, or whose page the "
        "processor does not show, "
        "is a finding, and the event unhandled",
        "none needed: one transaction, and each entry and hold has a key of its own",
    ),
)

END = End(
    MOST_CRASHES,
    "never ends: tried until the processor answers",
    "set aside: the processor is not asked about it again; the top-up that it names is looked at all the same",
)


def work(
    database: Database, processor: Processor
) -> Work[About, CheckoutSeen | PageRefused | ProcessorMisconfigured | None]:
    """The kind of work `stripe_event`: each event is applied once, however often and in whatever order they come."""

    async def take(session: Session, lease: Lease) -> About | Outcome:
        event = await read_event(session, lease.id)
        if event is None or event.outcome is not None:
            return Done()
        if event.card_setup_id is not None:
            return await _look_at_setup(session, event)
        meaning = meaning_of(event.type, event.object_type)
        if meaning is Meaning.NOTHING:
            return await _processed(session, event.id, "ignored")
        top_up_id = await find_top_up(session, event.id)
        if meaning is Meaning.UNKNOWN or (top_up_id is None and await may_be_ours(session, event, meaning)):
            return await _not_understood(session, event, Severity.ERROR)
        if top_up_id is not None and meaning is not Meaning.WARNING:
            return About(event, top_up_id, meaning)
        if top_up_id is not None:
            await fraud_warnings.tell(session, event, top_up_id)
        # About no top-up: another installation's, or a page or a payment that came to nothing.
        return await _processed(session, event.id, "ignored" if top_up_id is None else "applied")

    async def act(lease: Lease, about: About) -> CheckoutSeen | PageRefused | ProcessorMisconfigured | None:
        try:
            return await sight(database, processor, about.top_up_id)
        except ProcessorMisconfigured as error:
            return error
        except SubletError as error:
            log_failure(error, top_up=about.top_up_id, stripe_event=lease.id)
            raise

    async def conclude(
        session: Session,
        lease: Lease,
        about: About,
        seen: CheckoutSeen | PageRefused | ProcessorMisconfigured | None,
    ) -> Outcome:
        if isinstance(seen, ProcessorMisconfigured):
            return SetAside(seen.code)
        try:
            applied = None if seen is None else await apply(session, about.top_up_id, seen)
        except SubletError as error:
            log_failure(error, top_up=about.top_up_id, stripe_event=lease.id)
            raise
        if applied is not Applied.NOT_UNDERSTOOD:
            return await _processed(session, lease.id, "applied")
        if about.meaning is Meaning.TAKEN_BACK:
            await _tell(session, about)
        return await _processed(session, lease.id, "unhandled")  # a finding about the top-up says why

    return Work(
        kind=WORK, take=take, act=act, conclude=conclude, pace=PACE, end=END, slots=8, slots_each=8, steps=STEPS
    )


async def _look_at_setup(session: Session, event: Row[tuple[Any, ...]]) -> Done:
    """A card's setup is looked at by its own work; an event only says that it is time to."""
    known = select(card_setup.c.organization_id).where(card_setup.c.id == event.card_setup_id)
    organization_id = (await session.execute(known)).scalar_one_or_none()
    if organization_id is None:  # another installation's
        return await _processed(session, event.id, "ignored")
    await leases.look_again(session, setups.WORK, event.card_setup_id, place=organization_id)
    return await _processed(session, event.id, "applied")


async def _tell(session: Session, about: About) -> None:
    """What went back of a payment that is not understood is told with what is found about its top-up."""
    event = about.event
    what = f"{event.type} of {event.object_id} ({event.id})"
    if not await outcomes.note_told(session, about.top_up_id, what):
        subject: dict[str, Any] = {
            "code": UNHANDLED_CODE,
            "subject_type": outcomes.SUBJECT,
            "subject_id": about.top_up_id,
        }
        detail = {"type": event.type, "object": event.object_id}
        await findings.open_finding(session, **subject, severity=Severity.CRITICAL, detail=detail)
        await findings.note_seen(session, **subject, what=what)


async def _not_understood(session: Session, event: Row[tuple[Any, ...]], severity: Severity) -> Done:
    await findings.open_finding(
        session,
        code=UNHANDLED_CODE,
        subject_type="stripe_event",
        subject_id=event.id,
        severity=severity,
        detail={"type": event.type, "object": event.object_id, "top_up_id": event.top_up_id},
    )
    return await _processed(session, event.id, "unhandled")


async def _processed(session: Session, event_id: str, outcome: str) -> Done:
    values = {"processed_at": func.clock_timestamp(), "outcome": outcome}
    await session.execute(update(stripe_event).where(stripe_event.c.id == event_id).values(values))
    if outcome != "unhandled":
        await findings.close_finding(session, code=UNHANDLED_CODE, subject_type="stripe_event", subject_id=event_id)
    return Done()
