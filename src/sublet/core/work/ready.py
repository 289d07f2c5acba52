"""What is ready, and who gets it next: places take turns, and in each its tenants; what crashed its workers is taken
with care."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text

from sublet.core.db import Session
from sublet.core.work.leases import SUSPECT_CRASHES, Lease, lease_of


@dataclass(frozen=True, slots=True)
class Room:
    """How much of one kind a worker would take now: `free` rows in all, `each` of one place, and of these `each_tenant`
    of one tenant.

    `only` names the rows that this worker knows how to do; empty, it knows all.
    """

    free: int
    each: int
    each_tenant: int
    only: tuple[str, ...] = ()


Crowd = tuple[str, str, str]
"""The rows of one kind at one place that are for one tenant."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """A row that is ready, how many of the last crashes held it, and which was the last."""

    row: Row[Any]
    crashes: int
    last_crash: int | None

    @property
    def has_just_crashed(self) -> bool:
        return bool(self.last_crash != self.row.last_crash)


LONGEST_CRASH_WAIT_SECONDS = 600.0
"""Between two attempts at a row that its workers die of: everybody else's work needs workers that live."""

# `now()` and not `clock_timestamp()`: only what stays the same within a statement can be looked up in an index.
_READY = text(
    """
    WITH room AS (
      SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:free AS int[]), CAST(:each AS int[]),
                           CAST(:each_tenant AS int[]), CAST(:known AS text[]))
                 AS r(kind, free, each, each_tenant, known)
    ), busy AS (
      SELECT * FROM unnest(CAST(:busy_kinds AS text[]), CAST(:busy_places AS text[]), CAST(:busy_tenants AS text[]),
                           CAST(:busy AS int[]))
                 AS b(kind, place, tenant, n)
    ), busy_place AS (
      SELECT kind, place, sum(n)::int AS n FROM busy GROUP BY kind, place
    ), ready AS (
      SELECT w.*, r.free, r.each, r.each_tenant, coalesce(p.n, 0) AS n, coalesce(b.n, 0) AS n_of_tenant
        FROM room r
       CROSS JOIN LATERAL (
               SELECT kind, id, place, tenant, ready_at, lease_holder, crashes, last_crash
                 FROM work
                WHERE kind = r.kind AND ready_at <= now()
                  AND (r.known IS NULL OR id = ANY (string_to_array(r.known, E'\n')))
                  AND NOT EXISTS (SELECT FROM busy_place
                                   WHERE busy_place.kind = work.kind AND busy_place.place = work.place
                                     AND busy_place.n >= r.each)
                  AND NOT EXISTS (SELECT FROM busy
                                   WHERE busy.kind = work.kind AND busy.place = work.place
                                     AND busy.tenant = work.tenant AND work.tenant <> '' AND busy.n >= r.each_tenant)
                  AND (crashes < CAST(:suspect AS int) OR CAST(:take_suspects AS boolean))
                ORDER BY ready_at
                LIMIT 4 * r.free
                  FOR UPDATE SKIP LOCKED
             ) w
        LEFT JOIN busy_place p ON p.kind = w.kind AND p.place = w.place
        LEFT JOIN busy b ON b.kind = w.kind AND b.place = w.place AND b.tenant = w.tenant
    ), turns_of_tenants AS (
      SELECT *, row_number() OVER (PARTITION BY kind, place, tenant ORDER BY ready_at) AS turn_of_tenant FROM ready
    ), turns AS (
      SELECT *, row_number() OVER (PARTITION BY kind, place ORDER BY turn_of_tenant, ready_at) AS turn_of_place
        FROM turns_of_tenants WHERE tenant = '' OR turn_of_tenant + n_of_tenant <= each_tenant
    ), fair AS (
      SELECT *, row_number() OVER (PARTITION BY kind ORDER BY turn_of_place, ready_at) AS turn
        FROM turns WHERE turn_of_place + n <= each
    )
    SELECT kind, id, lease_holder, crashes, last_crash, extract(epoch FROM now() - ready_at) AS waited
      FROM fair WHERE turn <= free
    """
)
_NOTE_CRASHES = text(
    """
    WITH noted AS (
      INSERT INTO work_crash (holder) SELECT unnest(CAST(:holders AS bigint[]))
      ON CONFLICT (holder) DO NOTHING RETURNING holder, number
    ), crash AS (
      SELECT holder, number FROM noted UNION SELECT holder, number FROM work_crash WHERE holder = ANY(:holders)
    )
    SELECT holder, number,
           greatest((SELECT max(c.number) FROM work_crash c WHERE c.number < crash.number),
                    (SELECT max(n.number) FROM noted n WHERE n.number < crash.number)) AS before
      FROM crash
    """
)
_LEASE_MANY = text(
    """
    UPDATE work w
       SET lease_token = nextval('lease_token'), lease_holder = :holder, due_at = 'infinity',
           lease_expires_at = clock_timestamp() + make_interval(secs => :seconds),
           crashes = c.crashes, last_crash = c.last_crash,
           failing_since = CASE WHEN c.crashes > 0 THEN coalesce(w.failing_since, clock_timestamp())
                                ELSE w.failing_since END
      FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:waited AS numeric[]), CAST(:crashes AS int[]),
                  CAST(:last_crashes AS bigint[])) AS c(kind, id, waited, crashes, last_crash)
     WHERE w.kind = c.kind AND w.id = c.id
    RETURNING w.kind, w.id, w.place, w.tenant, w.lease_token, w.attempts, w.crashes, w.trace, c.waited
    """
)
_PUT_OFF = text(
    """
    UPDATE work w
       SET lease_holder = NULL, lease_expires_at = NULL, crashes = c.crashes, last_crash = c.last_crash,
           due_at = clock_timestamp() + make_interval(secs => c.wait)
      FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:crashes AS int[]),
                  CAST(:last_crashes AS bigint[]), CAST(:waits AS float8[])) AS c(kind, id, crashes, last_crash, wait)
     WHERE w.kind = c.kind AND w.id = c.id
    """
)
_NEXT = text(
    """
    SELECT extract(epoch FROM min(w.ready_at) - now())
      FROM unnest(CAST(:kinds AS text[])) AS k(kind)
     CROSS JOIN LATERAL (SELECT ready_at FROM work WHERE kind = k.kind AND ready_at > now() AND ready_at < 'infinity'
                          ORDER BY ready_at LIMIT 1) w
    """
)
_FORGET_CRASHES = text(
    """
    DELETE FROM work_crash
     WHERE number IN (SELECT number FROM work_crash WHERE noticed_at < clock_timestamp() - interval '30 days'
                       ORDER BY noticed_at LIMIT :limit)
    """
)


async def lease_ready(
    session: Session,
    room: Mapping[str, Room],
    busy: Mapping[Crowd, int],
    *,
    holder: int,
    seconds: float,
    take_suspects: bool = True,
) -> list[Lease]:
    """Lease rows that are ready, oldest first, as many as there is room for; places take turns, and so do the tenants
    of a place.

    `busy` says how many rows of a kind, place and tenant the worker has already. A row whose lease ran out was held by
    a worker that crashed. That counts against the row only as long as every later crash held it as well, so that a
    worker which dies for other reasons ends nothing; and of the rows that two crashes in succession held, one is taken
    at a time.
    """
    crowds = list(busy)
    parameters = {
        "kinds": list(room),
        "free": [one.free for one in room.values()],
        "each": [one.each for one in room.values()],
        "each_tenant": [one.each_tenant for one in room.values()],
        "known": ["\n".join(one.only) or None for one in room.values()],
        "busy_kinds": [kind for kind, _, _ in crowds],
        "busy_places": [place for _, place, _ in crowds],
        "busy_tenants": [tenant for _, _, tenant in crowds],
        "busy": [busy[crowd] for crowd in crowds],
        "suspect": SUSPECT_CRASHES,
        "take_suspects": take_suspects,
    }
    ready = _one_suspect((await session.execute(_READY, parameters)).all())
    if not ready:
        return []
    crashed = {row.lease_holder for row in ready if row.lease_holder not in {None, 0, holder}}
    noted: dict[int, Row[Any]] = {}
    if crashed:
        rows = await session.execute(_NOTE_CRASHES, {"holders": sorted(crashed)})
        noted = {row.holder: row for row in rows}
    taken: list[_Counted] = []
    put_off: list[_Counted] = []
    for row in ready:
        one = _Counted(row, *_crashes(row, noted.get(row.lease_holder)))
        (put_off if one.has_just_crashed and one.crashes >= SUSPECT_CRASHES else taken).append(one)
    if put_off:
        waits = [min(LONGEST_CRASH_WAIT_SECONDS, 2.0 ** min(one.crashes - SUSPECT_CRASHES, 30)) for one in put_off]
        await session.execute(_PUT_OFF, {**_columns(put_off), "waits": waits})
    if not taken:
        return []
    waited = [one.row.waited for one in taken]
    leased = await session.execute(
        _LEASE_MANY, {**_columns(taken), "holder": holder, "seconds": seconds, "waited": waited}
    )
    return [lease_of(row, seconds) for row in leased]


def _columns(counted: Sequence[_Counted]) -> dict[str, Any]:
    return {
        "kinds": [one.row.kind for one in counted],
        "ids": [one.row.id for one in counted],
        "crashes": [one.crashes for one in counted],
        "last_crashes": [one.last_crash for one in counted],
    }


def _one_suspect(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    suspects = [row for row in rows if row.crashes >= SUSPECT_CRASHES]
    return [row for row in rows if row.crashes < SUSPECT_CRASHES or row is suspects[0]]


def _crashes(row: Row[Any], crash: Row[Any] | None) -> tuple[int, int | None]:
    """How many of the last crashes held the row, every one of them, and which was the last.

    Numbers of crashes grow and leave some out, so each is told which one was `before` it.
    """
    if crash is None or row.last_crash == crash.number:
        return row.crashes, row.last_crash
    held_by_the_last = row.last_crash is not None and row.last_crash == crash.before
    return (row.crashes + 1 if held_by_the_last else 1), crash.number


async def seconds_to_next(session: Session, kinds: Collection[str]) -> float | None:
    """How long until another row of these kinds is ready; None if none is waiting."""
    found = (await session.execute(_NEXT, {"kinds": list(kinds)})).scalar_one()
    return None if found is None else float(found)


async def forget_crashes(session: Session, *, limit: int) -> int:
    """Forget crashes of a month ago, so many at most; returns how many."""
    return (await session.execute(_FORGET_CRASHES, {"limit": limit})).rowcount
