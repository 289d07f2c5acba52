"""Events that leave a transaction: written in it, delivered after it, never lost and never invented."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, Field
from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.db import Session

CHANNEL = "sublet_outbox"
END_OF_TRANSACTION = 10**15  # larger than any event id: the place behind all events of a transaction


class Event(BaseModel):
    """Base of every event; `type` is past tense with a dot: `allocation.released`."""

    type: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the event, so that the AsyncAPI document lists it."""
        super().__pydantic_init_subclass__(**kwargs)
        if "type" in cls.__dict__:
            EVENT_TYPES[cls.type] = cls


EVENT_TYPES: dict[str, type[Event]] = {}
"""Every event that this process knows, by type."""


class StoredEvent(BaseModel):
    """An event as it is read back: CloudEvents-shaped, `id` is its place in the stream."""

    id: str
    type: str
    time: datetime
    subject: str
    data: dict[str, Any]
    organization_id: str | None = Field(default=None, exclude=True)


# NOTIFY carries no payload: it only wakes readers, and PostgreSQL folds repeats within a transaction into one.
_PUBLISH = text(
    """
    WITH stored AS (
      INSERT INTO outbox_event (type, subject, organization_id, data)
      VALUES (:type, :subject, :organization_id, :data)
      RETURNING 1
    )
    SELECT pg_notify('sublet_outbox', '') FROM stored
    """
).bindparams(bindparam("data", type_=JSONB))

_PUBLISH_QUIETLY = text(
    """
    INSERT INTO outbox_event (type, subject, organization_id, data)
    VALUES (:type, :subject, :organization_id, :data)
    """
).bindparams(bindparam("data", type_=JSONB))


async def publish(
    session: Session, event: Event, *, subject: str, organization_id: str | None, wake: bool = True
) -> None:
    """Store the event in the session's transaction; `organization_id` None means the platform's operators.

    `wake=False` leaves readers to their poll: NOTIFY takes a global lock at commit. `publish_selected` never wakes any.
    """
    await session.execute(
        _PUBLISH if wake else _PUBLISH_QUIETLY,
        {
            "type": event.type,
            "subject": subject,
            "organization_id": organization_id,
            "data": event.model_dump(mode="json"),
        },
    )


_PUBLISH_SELECTED = """
    INSERT INTO outbox_event (type, subject, organization_id, data)
    SELECT :event_type, e.subject, e.organization_id, e.data FROM ({rows}) e
"""


async def publish_selected(session: Session, event: type[Event], rows: str, parameters: Mapping[str, Any]) -> None:
    """Store an event of one type for each row of a query, in one statement; readers find them at their poll.

    The query returns (subject, organization_id, data): `data` is a jsonb object with the fields of the event. Whoever
    writes it has a test that reads the events back as such.
    """
    await session.execute(
        text(_PUBLISH_SELECTED.format(rows=rows)),
        {"event_type": event.type, **parameters},
    )


# Transactions commit out of id order; a reader that only remembers the highest id loses events. Below the oldest
# running transaction nothing can appear any more, so (xid, id) is a safe place to continue from.
_READ = text(
    """
    SELECT id, xid::text AS transaction, type, subject, organization_id, data, occurred_at
      FROM outbox_event
     WHERE (xid, id) > (CAST(:xid AS xid8), :id)
       AND xid < pg_snapshot_xmin(pg_current_snapshot())
       AND (:everything OR organization_id IS NOT DISTINCT FROM :organization_id
            OR (:platform AND organization_id IS NULL))
     ORDER BY xid, id  -- the column: text under the same name would put 1000 before 999
     LIMIT :limit
    """
)


async def read_after(
    session: Session,
    cursor: tuple[int, int],
    *,
    organization_id: str | None = None,
    platform: bool = False,
    everything: bool = False,
    limit: int = 200,
) -> list[tuple[tuple[int, int], StoredEvent]]:
    """Events after `cursor` = (xid, id), oldest first, with the cursor of each.

    An organization's events, with `platform` also the operators', or with `everything` all (for our own handlers).
    """
    rows = await session.execute(
        _READ,
        {
            "xid": str(cursor[0]),
            "id": cursor[1],
            "organization_id": organization_id,
            "platform": platform,
            "everything": everything,
            "limit": limit,
        },
    )
    return [((int(row.transaction), row.id), _event(row)) for row in rows]


_FORGOTTEN = text("SELECT (xid, id) > (CAST(:xid AS xid8), :id) FROM outbox_forgotten")


async def is_gapless(session: Session, cursor: tuple[int, int]) -> bool:
    """Whether every event after a place is still there; else some were forgotten, and who reads on would miss them."""
    found = await session.execute(_FORGOTTEN, {"xid": str(cursor[0]), "id": cursor[1]})
    return not found.scalar_one()


def _event(row: Row[*tuple[Any, ...]]) -> StoredEvent:
    return StoredEvent(
        id=f"{row.transaction}-{row.id}",
        type=row.type,
        time=row.occurred_at,
        subject=row.subject,
        data=row.data,
        organization_id=row.organization_id,
    )


_READ_ONE = text(
    """
    SELECT id, xid::text AS transaction, type, subject, organization_id, data, occurred_at
      FROM outbox_event WHERE xid = CAST(:xid AS xid8) AND id = :id
    """
)


async def read_at(session: Session, cursor: tuple[int, int]) -> StoredEvent:
    """The event whose place is `cursor`, for a place that is still waited for: such events stay."""
    return _event((await session.execute(_READ_ONE, {"xid": str(cursor[0]), "id": cursor[1]})).one())


# A transaction sees nothing of what began after its snapshot but what it wrote itself. PostgreSQL 15 has no max(xid8).
_AHEAD = text(
    """
    SELECT stored.xid::text AS stored, pg_snapshot_xmax(pg_current_snapshot())::text AS reached
      FROM (SELECT greatest(
                     (SELECT xid FROM outbox_event WHERE xid IS DISTINCT FROM pg_current_xact_id_if_assigned()
                       ORDER BY xid DESC, id DESC LIMIT 1),
                     (SELECT xid FROM outbox_cursor ORDER BY xid DESC LIMIT 1)) AS xid) stored
     WHERE stored.xid >= pg_snapshot_xmax(pg_current_snapshot())
    """
)


async def ahead_of_server(session: Session) -> tuple[int, int] | None:
    """The largest transaction id that an event or a reader's place has, and the server's next, if it has not got there.

    Another server gave them out: these rows came in a dump. None if all is well.
    """
    row = (await session.execute(_AHEAD)).one_or_none()
    return None if row is None else (int(row.stored), int(row.reached))


async def latest_cursor(session: Session) -> tuple[int, int]:
    """The place just before everything that is still to become visible: where a fresh reader starts."""
    row = (await session.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text"))).scalar_one()
    return (int(row) - 1, END_OF_TRANSACTION)


def parse_cursor(value: str) -> tuple[int, int] | None:
    """`xid-id` as given out in `StoredEvent.id`, or None if it is not one."""
    xid, separator, number = value.partition("-")
    if separator and xid.isdecimal() and number.isdecimal() and len(xid) < 20 and len(number) < 19:
        return int(xid), int(number)
    return None


_UNDELIVERED = text(
    """
    SELECT c.subscriber, e.id, e.type, e.occurred_at
      FROM outbox_cursor c
     CROSS JOIN LATERAL (SELECT id, type, occurred_at, xid FROM outbox_event
                          WHERE (xid, id) > (c.xid, c.id) ORDER BY xid, id LIMIT 1) e
     WHERE e.occurred_at < clock_timestamp() - make_interval(secs => :seconds)
       AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
     ORDER BY c.subscriber
    """
)


async def undelivered(session: Session, *, seconds: float) -> list[tuple[str, str]]:
    """Who has not had an event for so long that it should have had: the subscriber, and the event in words."""
    found = await session.execute(_UNDELIVERED, {"seconds": seconds})
    return [(row.subscriber, f"{row.type} of {row.occurred_at.isoformat(timespec='seconds')}") for row in found]
