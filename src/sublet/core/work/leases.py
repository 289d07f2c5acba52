"""Who works on what right now: the table `work`, its leases, and their fencing tokens, which only grow.

All SQL about leases is in this file and in `ready.py`. A row is ready when its time has come and nobody has it, or when
the lease of whoever had it has run out. Lock order: the row of the domain first, then the row of `work`; therefore a
lease is verified by the last statement of a transaction, and not by its first.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, text

from sublet.core import tracing
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.core.work.outcomes import Again, Done, Outcome, Retry
from sublet.core.work.pace import Pace

CHANNEL = "sublet_work"
SUSPECT_CRASHES = 2
"""A row that so many crashes in succession held may have caused them."""


class LeaseLost(SubletError):
    """Another worker has taken over; what this one did is discarded."""

    code = "lease_lost"
    status = 409


@dataclass(slots=True)
class Lease:
    """The right to work on one row until it expires; `token` is larger than that of any earlier lease.

    `failures` are those since the last success. `crashes` are workers that ended while they held the row, as many of
    the last ones as all did: they say nothing about whoever was asked, and are never counted as failures.
    """

    kind: str
    id: str
    token: int
    failures: int = 0
    crashes: int = 0
    place: str = ""
    tenant: str = ""
    trace: str | None = None
    waited_seconds: float = 0.0
    lasts_until: float = field(default=float("inf"))  # on this process's monotonic clock

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1: one that a crash cut off is made again."""
        return self.failures + 1

    @property
    def suspect(self) -> bool:
        """Whether the row may have caused the crashes."""
        return self.crashes >= SUSPECT_CRASHES

    def verify_time(self) -> None:
        """LeaseLost when this process slept through the lease: what it knows is then too old to hand on."""
        if time.monotonic() > self.lasts_until:
            raise LeaseLost(f"The lease on {self.kind} {self.id} ran out meanwhile.")


_MAKE_DUE = text(
    """
    WITH due AS (
      INSERT INTO work AS w (kind, id, place, tenant, due_at, trace)
      VALUES (:kind, :id, :place, :tenant, clock_timestamp() + make_interval(secs => :after_seconds), :trace)
      ON CONFLICT (kind, id) DO UPDATE
        SET due_at = least(w.due_at, excluded.due_at), attempts = 0, set_aside_at = NULL,
            place = excluded.place, tenant = excluded.tenant, trace = excluded.trace
      RETURNING 1
    )
    SELECT CASE WHEN CAST(:after_seconds AS numeric) <= 0 THEN pg_notify('sublet_work', :kind) END FROM due
    """
)
# Whoever works on a row may have begun before what is to be looked at: it is looked at again afterwards.
_LOOK_AGAIN = text(
    """
    WITH due AS (
      INSERT INTO work AS w (kind, id, place, tenant, due_at, trace)
      VALUES (:kind, :id, :place, :tenant, clock_timestamp(), :trace)
      ON CONFLICT (kind, id) DO UPDATE
        SET due_at = least(w.due_at, excluded.due_at), place = excluded.place, tenant = excluded.tenant,
            trace = excluded.trace
        WHERE w.set_aside_at IS NULL AND (w.attempts = 0 OR w.lease_expires_at IS NOT NULL)
      RETURNING 1
    )
    SELECT pg_notify('sublet_work', :kind) FROM due
    """
)
_OVERTAKE = text(
    """
    WITH due AS (
      INSERT INTO work AS w (kind, id, place, tenant, due_at, trace)
      VALUES (:kind, :id, :place, :tenant, clock_timestamp(), :trace)
      ON CONFLICT (kind, id) DO UPDATE
        SET due_at = excluded.due_at, attempts = 0, crashes = 0, failing_since = NULL, set_aside_at = NULL,
            place = excluded.place, tenant = excluded.tenant, trace = excluded.trace,
            lease_token = nextval('lease_token'), lease_expires_at = NULL, lease_holder = NULL
      RETURNING 1
    )
    SELECT pg_notify('sublet_work', :kind) FROM due
    """
)
_ENSURE = text(
    """
    INSERT INTO work (kind, id, place, due_at)
    SELECT :kind, id, id, clock_timestamp() FROM unnest(CAST(:ids AS text[])) AS id
    ON CONFLICT (kind, id) DO NOTHING
    """
)
_WAKE = text(
    """
    UPDATE work SET due_at = clock_timestamp()
     WHERE kind = ANY(:kinds) AND set_aside_at IS NULL AND due_at > clock_timestamp()
    """
)
_REST = text("DELETE FROM work WHERE kind = :kind AND id = :id")

_LEASE_ONE = text(
    """
    UPDATE work
       SET lease_token = nextval('lease_token'), lease_holder = :holder, due_at = 'infinity',
           lease_expires_at = clock_timestamp() + make_interval(secs => :seconds)
     WHERE kind = :kind AND id = :id AND ready_at <= clock_timestamp()
    RETURNING kind, id, place, tenant, lease_token, attempts, crashes, trace, 0.0 AS waited
    """
)

# A row that somebody changes just now is left for the next time: a lease outlasts two renewals that are missed.
_RENEW = text(
    """
    WITH mine AS (
      SELECT kind, id FROM work
       WHERE (kind, id) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])))
         AND lease_token = ANY(:tokens) AND lease_expires_at IS NOT NULL
         FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE work w SET lease_expires_at = clock_timestamp() + make_interval(secs => :seconds)
      FROM mine WHERE w.kind = mine.kind AND w.id = mine.id
    RETURNING w.lease_token
    """
)
_STILL_HELD = text(
    """
    SELECT lease_token FROM work
     WHERE (kind, id) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])))
       AND lease_token = ANY(:tokens) AND lease_expires_at IS NOT NULL
    """
)
_OURS = "kind = :kind AND id = :id AND lease_token = :token AND lease_expires_at IS NOT NULL"
_VERIFY = text(f"SELECT 1 FROM work WHERE {_OURS}")  # noqa: S608 - a constant condition
_LOCK = text(f"SELECT 1 FROM work WHERE {_OURS} FOR NO KEY UPDATE")  # noqa: S608 - a constant condition
_DONE = text(f"DELETE FROM work WHERE {_OURS} AND due_at = 'infinity'")  # noqa: S608 - a constant condition
# Whoever made the row due while it was worked on is not forgotten: `due_at` is infinite only if nobody did.
_FINISH = text(
    f"""
    UPDATE work
       SET lease_expires_at = NULL, lease_holder = NULL, attempts = :attempts, crashes = 0,
           due_at = CASE WHEN CAST(:aside AS boolean) THEN 'infinity'::timestamptz
                         ELSE least(due_at, clock_timestamp() + make_interval(secs => :seconds)) END,
           last_error = CAST(:error AS text),
           failed_at = CASE WHEN CAST(:error AS text) IS NULL THEN failed_at ELSE clock_timestamp() END,
           failing_since = CASE WHEN CAST(:error AS text) IS NOT NULL
                                THEN coalesce(failing_since, clock_timestamp()) END,
           set_aside_at = CASE WHEN CAST(:aside AS boolean) THEN clock_timestamp() END
     WHERE {_OURS}
    """  # noqa: S608 - a constant condition
)
_PUT_OFF = text(
    f"""
    UPDATE work
       SET lease_expires_at = NULL, lease_holder = NULL,
           due_at = least(due_at, clock_timestamp() + make_interval(secs => :seconds))
     WHERE {_OURS}
    """  # noqa: S608 - a constant condition
)
_GIVE_BACK = text(
    """
    UPDATE work SET lease_expires_at = NULL, lease_holder = NULL, due_at = clock_timestamp()
     WHERE lease_holder = :holder
    """
)
_LEASED_AMONG = text(
    "SELECT id FROM work WHERE kind = :kind AND id = ANY(:ids) AND lease_expires_at > clock_timestamp()"
)
# Whoever joins the file and whoever leaves it lock it first: nobody waits behind one who has just gone.
_LOCK_FILE = text("SELECT 1 FROM work WHERE kind = :kind AND place = :place AND set_aside_at IS NULL FOR UPDATE")
_QUEUE_BEHIND = text(
    """
    INSERT INTO work (kind, id, place, due_at) VALUES (:kind, :id, :place, 'infinity')
    ON CONFLICT (kind, id) DO NOTHING
    """
)
_WAKE_FIRST = text(
    """
    UPDATE work SET due_at = clock_timestamp()
     WHERE kind = :kind AND due_at = 'infinity' AND lease_expires_at IS NULL AND id = (
             SELECT id FROM work
              WHERE kind = :kind AND place = :place AND set_aside_at IS NULL AND id <> :but
              ORDER BY number LIMIT 1
           )
    RETURNING pg_notify('sublet_work', :kind)
    """
)
_HOLDER = text("SELECT nextval('lease_token')")


async def make_due(
    session: Session, kind: str, row_id: str, *, place: str = "", tenant: str = "", after_seconds: float = 0.0
) -> None:
    """Have a row looked at, once the session's transaction has committed or some time later: something new is wanted.

    Of the three ways to ask, this is the one that lets attempts begin anew: what failed before was something else. A
    caller that wants the same as before, and has only seen that it may not be so, calls `look_again`. One for whom the
    result of a running worker would be wrong calls `overtake`. Crashes of workers are forgotten by `overtake` and by
    a worker that survived the row, and by nobody else: else a row that kills its workers would never be suspected.

    A row that is due already stays so: nothing is queued twice. A worker that is at it goes on, and looks again
    afterwards. `place` is where the work happens (a node, say): each place has its own share of every worker's slots.
    `tenant` is who the work is for, among those who share a place: of its slots each tenant has a share.
    """
    parameters = {"kind": kind, "id": row_id, "place": place, "tenant": tenant, "after_seconds": after_seconds}
    await session.execute(_MAKE_DUE, {**parameters, "trace": tracing.traceparent()})


async def look_again(session: Session, kind: str, row_id: str, *, place: str = "", tenant: str = "") -> None:
    """Have a row looked at though nothing new is wanted: at once, or when its wait after a failure is over.

    It may be called as often as one likes: it neither shortens that wait nor forgets attempts, and what is set aside
    stays so.
    """
    parameters = {"kind": kind, "id": row_id, "place": place, "tenant": tenant}
    await session.execute(_LOOK_AGAIN, {**parameters, "trace": tracing.traceparent()})


async def overtake(session: Session, kind: str, row_id: str, *, place: str = "", tenant: str = "") -> None:
    """Have a row looked at as if it were a new one: what a running worker does is refused from now on.

    For what is wanted otherwise than before, and for an operator who asks for what was set aside.
    """
    parameters = {"kind": kind, "id": row_id, "place": place, "tenant": tenant}
    await session.execute(_OVERTAKE, {**parameters, "trace": tracing.traceparent()})


async def ensure(session: Session, kind: str, row_ids: Collection[str]) -> None:
    """Let rows that work is always done on exist; those that do keep their time."""
    await session.execute(_ENSURE, {"kind": kind, "ids": list(row_ids)})


async def wake(session: Session, kinds: Collection[str]) -> None:
    """Make every row of some kinds due at once that is not set aside; its attempts go on being counted."""
    await session.execute(_WAKE, {"kinds": list(kinds)})


async def rest(session: Session, kind: str, row_id: str) -> None:
    """Let nobody work on a row until it is made due again; a running worker is overtaken."""
    await session.execute(_REST, {"kind": kind, "id": row_id})


async def leased_among(session: Session, kind: str, row_ids: Collection[str]) -> set[str]:
    """Which of the rows somebody works on at this moment."""
    return set((await session.execute(_LEASED_AMONG, {"kind": kind, "ids": list(row_ids)})).scalars())


async def queue_behind(session: Session, kind: str, row_id: str, *, place: str) -> bool:
    """Let a row wait behind those of its place, in single file; False if there are none, and nothing was done then."""
    parameters = {"kind": kind, "id": row_id, "place": place}
    if (await session.execute(_LOCK_FILE, parameters)).first() is None:
        return False
    await session.execute(_QUEUE_BEHIND, parameters)
    return True


async def wake_first(session: Session, kind: str, place: str, *, but: str) -> None:
    """Make the first row that waits in single file at a place due; `but` is the one that has its turn now."""
    await session.execute(_LOCK_FILE, {"kind": kind, "place": place})
    await session.execute(_WAKE_FIRST, {"kind": kind, "place": place, "but": but})


async def new_holder(session: Session) -> int:
    """A number for a worker, under which its leases are found when it dies."""
    return int((await session.execute(_HOLDER)).scalar_one())


async def lease_one(session: Session, kind: str, row_id: str, *, seconds: float, holder: int = 0) -> Lease | None:
    """Take the lease of one row; None if somebody has it or it is not due. Holder 0 is nobody's crash."""
    parameters = {"kind": kind, "id": row_id, "seconds": seconds, "holder": holder}
    row = (await session.execute(_LEASE_ONE, parameters)).one_or_none()
    return None if row is None else lease_of(row, seconds)


def lease_of(row: Row[Any], seconds: float) -> Lease:
    """The lease that a row of `work` says has just begun, for so many seconds."""
    return Lease(
        kind=row.kind,
        id=row.id,
        token=row.lease_token,
        failures=row.attempts,
        crashes=row.crashes,
        place=row.place,
        tenant=row.tenant,
        trace=row.trace,
        waited_seconds=max(0.0, float(row.waited)),
        lasts_until=time.monotonic() + seconds,
    )


async def renew(session: Session, held: Collection[Lease], *, seconds: float) -> list[Lease]:
    """Extend the leases that are still ours; returns those that are not."""
    parameters = {
        "tokens": [lease.token for lease in held],
        "kinds": [lease.kind for lease in held],
        "ids": [lease.id for lease in held],
    }
    asked = time.monotonic()
    renewed = set((await session.execute(_RENEW, {**parameters, "seconds": seconds})).scalars())
    for lease in held:
        if lease.token in renewed:
            lease.lasts_until = asked + seconds
    if len(renewed) == len(held):
        return []
    ours = set((await session.execute(_STILL_HELD, parameters)).scalars())
    return [lease for lease in held if lease.token not in ours]


async def verify(session: Session, lease: Lease) -> None:
    """LeaseLost if the lease is not ours any more; without a lock, so that it spares work and decides nothing."""
    if (await session.execute(_VERIFY, _of(lease))).first() is None:
        raise _lost(lease)


async def lock(session: Session, lease: Lease) -> None:
    """Lock the row of work and prove that the lease is ours; LeaseLost otherwise. The last statement before commit."""
    if (await session.execute(_LOCK, _of(lease))).first() is None:
        raise _lost(lease)


async def finish(session: Session, lease: Lease, outcome: Outcome, *, pace: Pace) -> None:
    """Give the lease back with what came of the work; LeaseLost if it is not ours any more."""
    if isinstance(outcome, Done):
        if (await session.execute(_DONE, _of(lease))).rowcount:
            return
        outcome = Again()  # it was made due meanwhile, or the lease is lost
    seconds, attempts, error = 0.0, 0, None
    if isinstance(outcome, Again):
        seconds = outcome.seconds
    else:
        attempts, error = lease.attempt, outcome.code
        if isinstance(outcome, Retry):
            seconds = pace.wait_seconds(lease.attempt, longest_seconds=outcome.longest_seconds)
            seconds += outcome.after_seconds
    aside = not isinstance(outcome, Again | Retry)
    parameters = {"seconds": seconds, "attempts": attempts, "error": error, "aside": aside}
    if (await session.execute(_FINISH, {**_of(lease), **parameters})).rowcount != 1:
        raise _lost(lease)


async def put_off(session: Session, lease: Lease, *, seconds: float) -> None:
    """Give back after so many seconds what was neither done nor has failed: what is known of attempts, crashes and the
    last failure stays. LeaseLost if the lease is not ours any more."""
    if (await session.execute(_PUT_OFF, {**_of(lease), "seconds": seconds})).rowcount != 1:
        raise _lost(lease)


async def give_back(session: Session, holder: int) -> int:
    """Let others have at once what this worker held; returns how many rows."""
    return (await session.execute(_GIVE_BACK, {"holder": holder})).rowcount


def _of(lease: Lease) -> dict[str, object]:
    return {"kind": lease.kind, "id": lease.id, "token": lease.token}


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"The lease on {lease.kind} {lease.id} has passed to another worker.")
