"""Hands outbox events to our own handlers: once, in order for each subject; one that fails holds up no other subject.

Effects and the place in the stream commit together. An event whose handler fails leaves the stream and becomes work of
its own, tried again at its pace. Later events of its subject wait behind it; those of other subjects do not. What still
fails after many attempts is set aside: a finding of `sublet admin reconcile`, until `sublet admin event replay` hands
it out again.
"""

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

from opentelemetry.trace import SpanKind
from sqlalchemy import text

from sublet.core import outbox, telemetry, tracing
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent
from sublet.core.work import leases
from sublet.core.work.declaration import MOST_CRASHES, End, Step, Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Again, Done, Outcome, Retry, SetAside
from sublet.core.work.pace import Pace

log = telemetry.get_logger(__name__)

Handler = Callable[[Session, StoredEvent], Awaitable[None]]
Handlers = Mapping[str, Sequence[Handler]]
Gatherer = Callable[[Session, Sequence[StoredEvent]], Awaitable[None]]
"""Takes many events of a type at once, in no order: what it does follows from what it reads, not from what they say."""
Gatherers = Mapping[str, Gatherer]

DELIVERY, EVENT = "delivery", "event"
SUBSCRIBER = "domains"
BATCH = 200
IDLE_SECONDS = 2.0
UNSETTLED_SECONDS = 0.25
EVENT_PACE = Pace(attempts=16, shortest_seconds=1.0, longest_seconds=600.0)
"""About forty minutes, which outlasts a fault that somebody mends."""

DELIVERY_STEPS = (
    Step(
        "deliver",
        "runs each event's handlers, in the order of the stream, each event within a savepoint",
        "their effects, committed together with the place in the stream",
        "a crash undoes both, and the events are delivered again",
    ),
    Step(
        "put a failed event out of the stream",
        "undoes what its handlers did and makes the event work of its own; later ones of its subject wait behind",
        "a row `event` for each",
        "the row is tried until it succeeds, or is set aside",
    ),
)
EVENT_STEPS = (
    Step(
        "handle",
        "runs the event's handlers again",
        "their effects, committed together with the end of the row",
        "a failure undoes them; the next attempt comes later each time",
    ),
    Step(
        "let the next one through",
        "makes the first event that waits behind this one due",
        "nothing",
        "none needed",
    ),
    Step(
        "set aside",
        "after the last attempt notes the event for operators and lets its subject go on",
        "a row that is set aside",
        "`sublet admin event replay`",
    ),
)
DELIVERY_END = End(
    None,
    "never ends: an event that fails leaves the stream",
    "never ends: after two, every event of the next batch leaves the stream untried, so that the one which workers die "
    "of is on its own",
)
EVENT_END = End(
    MOST_CRASHES,
    "set aside after 16 attempts, about forty minutes",
    "set aside; later events of its subject go on without it",
)

_REGISTER = text(
    "INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:name, CAST(:xid AS xid8), :id) ON CONFLICT DO NOTHING"
)
_PLACE = text("SELECT xid::text AS xid, id FROM outbox_cursor WHERE subscriber = :name FOR UPDATE")
_MOVE = text("UPDATE outbox_cursor SET xid = CAST(:xid AS xid8), id = :id WHERE subscriber = :name")
_UNSETTLED = text("SELECT EXISTS (SELECT FROM outbox_event WHERE (xid, id) > (CAST(:xid AS xid8), :id))")


async def register(session: Session, name: str = SUBSCRIBER) -> None:
    """Let the subscriber exist; a new one begins with what comes from now on."""
    xid, number = await outbox.latest_cursor(session)
    await session.execute(_REGISTER, {"name": name, "xid": str(xid), "id": number})
    await leases.ensure(session, DELIVERY, [name])


def deliveries(
    handlers: Handlers, known: Container[str], *, gatherers: Gatherers | None = None, pace: Pace = EVENT_PACE
) -> tuple[Work[None, None], Work[None, None]]:
    """The two kinds of work that delivery is: the stream, and single events that failed.

    `known` are the types of events of this release. One of another release leaves the stream as if it had failed, and
    is handled by a worker that knows it. `gatherers` take the events of a type together, one call for each look at the
    stream, for types of which there are very many.
    """
    gathering = gatherers or {}

    async def deliver(session: Session, lease: Lease) -> Outcome:
        return Again(await _deliver(session, lease.id, handlers, gathering, known, apart=lease.suspect))

    async def handle(session: Session, lease: Lease) -> Outcome:
        place = outbox.parse_cursor(lease.id)
        assert place is not None  # rows of this kind have ids of events
        event = await outbox.read_at(session, place)
        if event.type not in known:
            return Retry("event_of_another_release")
        if event.type in gathering:
            await gathering[event.type](session, [event])
        await _handle(session, event, handlers)
        await leases.wake_first(session, EVENT, lease.place, but=lease.id)
        return Done()

    async def set_aside(session: Session, lease: Lease, code: str) -> Outcome:
        log.error("event.set_aside", event_id=lease.id, subject=lease.place, attempts=lease.attempt, code=code)
        await leases.wake_first(session, EVENT, lease.place, but=lease.id)
        return SetAside(code)

    stream: Work[None, None] = Work(
        kind=DELIVERY,
        take=deliver,
        pace=Pace(shortest_seconds=0.25, longest_seconds=5.0),
        slots=1,
        slots_each=1,
        end=DELIVERY_END,
        steps=DELIVERY_STEPS,
        wakes_on=outbox.CHANNEL,
    )
    single: Work[None, None] = Work(
        kind=EVENT,
        take=handle,
        give_up=set_aside,
        pace=pace,
        end=EVENT_END,
        slots=4,
        slots_each=1,
        steps=EVENT_STEPS,
    )
    return stream, single


async def _deliver(
    session: Session,
    name: str,
    handlers: Handlers,
    gatherers: Gatherers,
    known: Container[str],
    *,
    apart: bool = False,
) -> float:
    """Hand the next events to their handlers; returns after how many seconds to look again.

    `apart`, each becomes work of its own untried: workers die of one of them, and nobody knows yet of which.
    """
    place = (await session.execute(_PLACE, {"name": name})).one()
    cursor = (int(place.xid), place.id)
    events = await outbox.read_after(session, cursor, everything=True, limit=BATCH)
    for _, event in events:
        if event.type not in known or (apart and (event.type in handlers or event.type in gatherers)):
            if not await leases.queue_behind(session, EVENT, event.id, place=event.subject):
                await leases.make_due(session, EVENT, event.id, place=event.subject)
        elif event.type in handlers:
            await _handle_or_put_aside(session, event, handlers)
    if not apart:
        for event_type, gather in gatherers.items():
            await _gather(session, [event for _, event in events if event.type == event_type], gather)
    if events:
        cursor = events[-1][0]
        await session.execute(_MOVE, {"name": name, "xid": str(cursor[0]), "id": cursor[1]})
    if len(events) == BATCH:
        return 0.0
    # What a running transaction wrote, or may have written before, is read when that has ended.
    unsettled = (await session.execute(_UNSETTLED, {"xid": str(cursor[0]), "id": cursor[1]})).scalar_one()
    return UNSETTLED_SECONDS if unsettled else IDLE_SECONDS


async def _handle_or_put_aside(session: Session, event: StoredEvent, handlers: Handlers) -> None:
    if await leases.queue_behind(session, EVENT, event.id, place=event.subject):
        return
    try:
        async with session.begin_nested():
            await _handle(session, event, handlers)
    except Exception as error:  # one event holds up no other subject's
        telemetry.worker_failures_total.labels(DELIVERY).inc()
        about = {"event_id": event.id, "event_type": event.type, "subject": event.subject}
        telemetry.log_failure(log, "event.failed", error, **about, error=type(error).__name__)
        await leases.make_due(session, EVENT, event.id, place=event.subject)


async def _gather(session: Session, events: Sequence[StoredEvent], gather: Gatherer) -> None:
    if not events:
        return
    try:
        async with session.begin_nested():
            await gather(session, events)
    except Exception as error:  # it holds up no other events: each is tried by itself
        telemetry.worker_failures_total.labels(DELIVERY).inc()
        about = {"event_type": events[0].type, "events": len(events)}
        telemetry.log_failure(log, "events.failed", error, **about, error=type(error).__name__)
        for event in events:
            await leases.make_due(session, EVENT, event.id, place=event.subject)


async def _handle(session: Session, event: StoredEvent, handlers: Handlers) -> None:
    for handler in handlers.get(event.type, ()):
        attributes = {"sublet.event": event.id}
        with tracing.span(f"handle {event.type}", kind=SpanKind.CONSUMER, attributes=attributes):
            await handler(session, event)
