"""Work that does not come to its end: set aside, failing, ending its workers, or due and taken by nobody.

What is made and tried within minutes is none of it. Rows that wait behind another are not due.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, text

from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.work import leases
from sublet.core.work.outcomes import INTERRUPTED

FAILING_SECONDS = 300.0
"""So long a row may fail before somebody is told: what is away for a moment comes back by itself."""
WAITING_SECONDS = 120.0
"""So long a row may be due, or its worker be gone, before nobody seems to take it."""
CRASHES = 3
"""After so many workers that ended with the row, in succession, it is told at once."""


class Trouble(StrEnum):
    """Why a row is told of."""

    SET_ASIDE = "set_aside"
    CRASHING = "crashing"
    FAILING = "failing"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class UnfinishedWork:
    """A row of work that does not come to its end, and since when; `last_error` is the code of the last failure.

    `attempts` failed since the last success; `crashes` workers in succession ended while they had the row.
    """

    kind: str
    id: str
    place: str
    trouble: Trouble
    attempts: int
    crashes: int
    last_error: str | None
    since: datetime

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place not in ("", self.id) else ""
        last = f", last with {self.last_error}" if self.last_error else ""
        failed = ("failed once" if self.attempts == 1 else f"failed {self.attempts} times") + last
        if self.trouble is Trouble.SET_ASIDE:
            ended = "worker after worker ended while it had it" if self.last_error == INTERRUPTED else failed
            said = f"{ended}; it is set aside, and nobody tries it any more"
        elif self.trouble is Trouble.CRASHING:
            said = f"{self.crashes} workers in succession ended while they had it"
        elif self.trouble is Trouble.FAILING:
            said = f"{failed}; it is tried on"
        else:
            said = "it is due, and no worker takes it"
        return f"{self.kind} {self.id}{where}: {said}, since {self.since.isoformat(timespec='seconds')}"


# The kinds are looked up one by one, so that what is not due is not read.
_UNFINISHED = """
    WITH RECURSIVE kinds AS (
      SELECT min(kind) AS kind FROM work
       UNION ALL
      SELECT (SELECT min(w.kind) FROM work w WHERE w.kind > k.kind) FROM kinds k WHERE k.kind IS NOT NULL
    ), unfinished AS (
      SELECT kind, id, place, 'set_aside' AS trouble, attempts, crashes, last_error, set_aside_at AS since
        FROM work WHERE set_aside_at IS NOT NULL
       UNION ALL
      SELECT kind, id, place, CASE WHEN crashes >= :crashes THEN 'crashing' ELSE 'failing' END, attempts, crashes,
             last_error, failing_since
        FROM work
       WHERE failing_since IS NOT NULL AND set_aside_at IS NULL
         AND (crashes >= :crashes OR failing_since < now() - make_interval(secs => :failing_seconds))
       UNION ALL
      SELECT w.kind, w.id, w.place, 'waiting', w.attempts, w.crashes, w.last_error, w.ready_at
        FROM kinds k
        JOIN work w ON w.kind = k.kind AND w.ready_at < now() - make_interval(secs => :waiting_seconds)
       WHERE w.failing_since IS NULL
    )
"""
_PAGE = text(
    f"""
    {_UNFINISHED}
    SELECT * FROM unfinished
     WHERE (kind, id) > (:kind, :id)
       AND (CAST(:troubles AS text[]) IS NULL OR trouble = ANY(:troubles)) AND kind <> :without
     ORDER BY kind, id LIMIT :limit
    """  # noqa: S608 - constant statements
)
_COUNT = text(f"{_UNFINISHED} SELECT kind, count(*) AS n FROM unfinished GROUP BY kind")  # noqa: S608 - constant
_LOCK = text(
    "SELECT place, tenant, set_aside_at IS NOT NULL AS aside FROM work WHERE kind = :kind AND id = :id FOR UPDATE"
)
_RETRY_ALL = text(
    """
    UPDATE work SET due_at = clock_timestamp(), attempts = 0, failing_since = NULL, set_aside_at = NULL
     WHERE set_aside_at IS NOT NULL AND last_error = :code
    RETURNING pg_notify('sublet_work', kind)
    """
)
_LIMITS = {"crashes": CRASHES, "failing_seconds": FAILING_SECONDS, "waiting_seconds": WAITING_SECONDS}


async def page(
    session: Session,
    *troubles: Trouble,
    without: str = "",
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[UnfinishedWork]:
    """Rows in one of these troubles (none given: in any) beyond `after`, by kind and id, `without` those of a kind."""
    parameters = {
        "kind": after[0],
        "id": after[1],
        "troubles": list(troubles) or None,
        "without": without,
        "limit": limit,
    }
    return [_of(row) for row in await session.execute(_PAGE, {**_LIMITS, **parameters})]


async def counts(session: Session) -> dict[str, int]:
    """How many rows are in any trouble, by kind; kinds with none are left out."""
    return {row.kind: row.n for row in await session.execute(_COUNT, _LIMITS)}


async def retry(session: Session, kind: str, row_id: str) -> bool:
    """Let a row that was set aside be done again, as if it were new; False for one that is tried anyway. NotFound."""
    row = (await session.execute(_LOCK, {"kind": kind, "id": row_id})).one_or_none()
    if row is None:
        raise NotFound(f"work of the kind {kind}", row_id)
    if row.aside:
        await leases.overtake(session, kind, row_id, place=row.place, tenant=row.tenant)
    return bool(row.aside)


async def retry_all(session: Session, *, code: str) -> int:
    """Let all be done again that was set aside with an error, whose cause is mended; how many rows."""
    return (await session.execute(_RETRY_ALL, {"code": code})).rowcount


def _of(row: Row[*tuple[Any, ...]]) -> UnfinishedWork:
    return UnfinishedWork(
        row.kind, row.id, row.place, Trouble(row.trouble), row.attempts, row.crashes, row.last_error, row.since
    )
