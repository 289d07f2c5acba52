"""Open and close findings, and read them: at most one is open for a code and a subject, however often it is seen."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import Row, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from sublet.core.actions import Refusal
from sublet.core.db import Session
from sublet.core.errors import Conflict, NotFound
from sublet.core.filters import matching
from sublet.core.ids import new_id
from sublet.core.money import Money
from sublet.findings.models import finding, finding_history


class Severity(StrEnum):
    """How bad it is: to be looked at, wrong, or wrong in a way that loses money or hides that it does."""

    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding as it is kept; open while `until` is None, and last seen to be so at `seen_at`.

    `detail` is what whoever opened it wanted to be read beside it; nobody takes it apart.
    """

    seq: int
    id: str
    code: str
    subject_type: str
    subject_id: str
    severity: Severity
    amounts: dict[str, Money]
    detail: dict[str, Any]
    since: datetime
    seen_at: datetime
    until: datetime | None
    owner_id: str | None = None
    owner_name: str | None = None
    settled_by: str | None = None
    resolution: str | None = None

    @property
    def at_stake(self) -> list[Money]:
        """How much it is about, by currency: how far its amounts are apart, or the one that there is."""
        micros: dict[str, list[int]] = {}
        for amount in self.amounts.values():
            micros.setdefault(amount.currency, []).append(amount.micro)
        return [
            Money(abs(those[0]) if len(those) == 1 else max(those) - min(those), currency)
            for currency, those in sorted(micros.items())
        ]


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that became of a finding; `by` is a name, or None for Sublet itself."""

    what: str
    by: str | None
    note: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Filter:
    """Which findings are wanted; None means any."""

    state: Literal["open", "closed"] | None = None
    code: str | None = None
    severity: Severity | None = None
    subject_type: str | None = None
    subject_id: str | None = None
    owner_id: str | None = None
    """An operator's id, or `NOBODY`."""


NOBODY = "nobody"
"""Asks for what no operator sees to."""

_OPEN = text(
    """
    INSERT INTO finding (id, code, subject_type, subject_id, severity, amounts, detail)
    VALUES (:id, :code, :subject_type, :subject_id, :severity, :amounts, :detail)
    ON CONFLICT (code, subject_type, subject_id) WHERE until IS NULL DO UPDATE
       SET severity = excluded.severity, amounts = excluded.amounts, seen_at = clock_timestamp(),
           detail = excluded.detail || CASE WHEN finding.detail ? 'seen'
             THEN jsonb_build_object('seen', finding.detail -> 'seen') ELSE '{}' END
    RETURNING id
    """
).bindparams(bindparam("amounts", type_=JSONB), bindparam("detail", type_=JSONB))
_NOTE_SEEN = text(
    """
    UPDATE finding
       SET seen_at = clock_timestamp(),
           detail = CASE WHEN detail -> 'seen' @> CAST(:line AS jsonb) THEN detail ELSE
             jsonb_set(detail, '{seen}', coalesce(detail -> 'seen', '[]') || jsonb_build_array(
               CAST(:line AS jsonb) -> 0 || jsonb_build_object('at', clock_timestamp()))) END
     WHERE code = :code AND subject_type = :subject_type AND subject_id = :subject_id AND until IS NULL
    """
).bindparams(bindparam("line", type_=JSONB))
_CLOSE = text(
    """
    UPDATE finding SET until = clock_timestamp()
     WHERE code = :code AND subject_type = :subject_type AND subject_id = :subject_id AND until IS NULL
    """
)
_CLOSE_OTHERS = text(
    """
    UPDATE finding SET until = clock_timestamp()
     WHERE code = :code AND until IS NULL
       AND (subject_type, subject_id) NOT IN (
             SELECT * FROM unnest(CAST(:subject_types AS text[]), CAST(:subject_ids AS text[])))
    """
)


async def open_finding(
    session: Session,
    *,
    code: str,
    subject_type: str,
    subject_id: str,
    severity: Severity,
    amounts: Mapping[str, Money] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> str:
    """Note that something does not fit, once for each `code` (`area.what_is_wrong`) and subject; returns the id.

    One that is open already stays open since when it was, and says from now on what it was opened with last, beside
    what `note_seen` told it. After it was closed, the same is a new finding.
    """
    opened = await session.execute(
        _OPEN,
        {
            "id": new_id("fnd"),
            "code": code,
            "subject_type": subject_type,
            "subject_id": subject_id,
            "severity": severity.value,
            "amounts": {
                name: {"micro": amount.micro, "currency": amount.currency} for name, amount in (amounts or {}).items()
            },
            "detail": dict(detail or {}),
        },
    )
    return str(opened.scalar_one())


async def note_seen(session: Session, *, code: str, subject_type: str, subject_id: str, what: str) -> bool:
    """Add a line to what was seen of an open finding, with the time, unless it is there; False if none is open.

    The lines are `seen` in its detail, oldest first.
    """
    about = {"code": code, "subject_type": subject_type, "subject_id": subject_id}
    return (await session.execute(_NOTE_SEEN, {**about, "line": [{"what": what}]})).rowcount > 0


async def closed_at(session: Session, *, code: str, subject_type: str, subject_id: str) -> datetime | None:
    """When the last finding of that code about the subject was closed; None if none ever was."""
    closed = select(func.max(finding.c.until)).where(
        finding.c.code == code, finding.c.subject_type == subject_type, finding.c.subject_id == subject_id
    )
    when: datetime | None = (await session.execute(closed)).scalar_one()
    return when


async def is_open(session: Session, *, code: str, subject_type: str, subject_id: str) -> bool:
    """Whether a finding of that code about the subject is open: neither mended nor settled."""
    found = await session.execute(
        select(finding.c.id).where(
            finding.c.code == code,
            finding.c.subject_type == subject_type,
            finding.c.subject_id == subject_id,
            finding.c.until.is_(None),
        )
    )
    return found.first() is not None


async def subjects(
    session: Session, *, code: str, subject_type: str, among: Collection[str] | None = None, ever: bool = False
) -> list[str]:
    """The ids of all subjects of a type about which something of that code is found, and not mended or settled.

    `ever` adds those of which it once was; `among` asks about no others.
    """
    found = select(finding.c.subject_id).where(finding.c.code == code, finding.c.subject_type == subject_type)
    if not ever:
        found = found.where(finding.c.until.is_(None))
    if among is not None:
        found = found.where(finding.c.subject_id.in_(among))
    return list((await session.execute(found.distinct())).scalars())


async def get(session: Session, finding_id: str) -> StoredFinding:
    """One finding; NotFound."""
    row = (await session.execute(select(finding).where(finding.c.id == finding_id))).one_or_none()
    if row is None:
        raise NotFound("finding", finding_id)
    return _stored(row)


async def close_finding(session: Session, *, code: str, subject_type: str, subject_id: str) -> bool:
    """Note that it fits again; False if nothing was open."""
    closed = await session.execute(_CLOSE, {"code": code, "subject_type": subject_type, "subject_id": subject_id})
    return closed.rowcount > 0


def why_not_close(found: StoredFinding) -> Refusal | None:
    """Why a finding may not be closed; None while it is open."""
    if found.until is None:
        return None
    return Refusal(Conflict, f"The finding {found.id} is closed since {found.until:%Y-%m-%d %H:%M} UTC.")


def why_not_assign(found: StoredFinding) -> Refusal | None:
    """Why a finding may not be given to anybody; None while it is open."""
    return why_not_close(found)


async def assign(session: Session, finding_id: str, *, owner_id: str | None, owner_name: str | None, by: str) -> None:
    """Give an open finding to somebody, or back to nobody, on the word of `by`. NotFound; Conflict."""
    changed = update(finding).where(finding.c.id == finding_id, finding.c.until.is_(None))
    given = await session.execute(changed.values(owner_id=owner_id, owner_name=owner_name, assigned_by=by))
    if given.rowcount == 0 and (refusal := why_not_assign(await get(session, finding_id))):
        raise refusal.problem


async def history(session: Session, finding_id: str) -> list[Happened]:
    """All that became of a finding, oldest first."""
    h = finding_history.c
    told = select(h.what, h.by_name, h.note, h.at).where(h.finding_id == finding_id).order_by(h.id)
    return [Happened(row.what, row.by_name, row.note, row.at) for row in await session.execute(told)]


async def close_by_id(session: Session, finding_id: str, *, by: str, reason: str) -> StoredFinding:
    """Close a finding on the word of `by`, and return it. NotFound; Conflict for one that is closed."""
    changed = update(finding).where(finding.c.id == finding_id, finding.c.until.is_(None))
    closed = await session.execute(changed.values(until=func.clock_timestamp(), settled_by=by, resolution=reason))
    found = await get(session, finding_id)
    if closed.rowcount == 0 and (refusal := why_not_close(found)):
        raise refusal.problem
    return found


async def close_others(session: Session, *, code: str, still: Collection[tuple[str, str]]) -> int:
    """Close every open finding of a code but those of the subjects (type, id) in `still`; returns how many."""
    closed = await session.execute(
        _CLOSE_OTHERS,
        {"code": code, "subject_types": [kind for kind, _ in still], "subject_ids": [one for _, one in still]},
    )
    return closed.rowcount


async def count_open(session: Session) -> dict[Severity, int]:
    """How many findings are open, by severity."""
    counted = (
        select(finding.c.severity, func.count().label("open"))
        .where(finding.c.until.is_(None))
        .group_by(finding.c.severity)
    )
    return {Severity(row.severity): int(row.open) for row in await session.execute(counted)}


async def newest(session: Session, wanted: Filter, *, before: int | None, limit: int) -> list[StoredFinding]:
    """Up to `limit` findings that were first seen before the one with the sequence number `before`, newest first."""
    columns = {
        finding.c.code: wanted.code,
        finding.c.severity: wanted.severity,
        finding.c.subject_type: wanted.subject_type,
        finding.c.subject_id: wanted.subject_id,
    }
    statement = select(finding).where(*matching(columns)).order_by(finding.c.seq.desc()).limit(limit)
    if wanted.owner_id is not None:
        nobodys = wanted.owner_id == NOBODY
        statement = statement.where(finding.c.owner_id.is_(None) if nobodys else finding.c.owner_id == wanted.owner_id)
    if wanted.state is not None:
        statement = statement.where(
            finding.c.until.is_(None) if wanted.state == "open" else finding.c.until.is_not(None)
        )
    if before is not None:
        statement = statement.where(finding.c.seq < before)
    return [_stored(row) for row in await session.execute(statement)]


def _stored(row: Row[*tuple[Any, ...]]) -> StoredFinding:
    return StoredFinding(
        row.seq,
        row.id,
        row.code,
        row.subject_type,
        row.subject_id,
        Severity(row.severity),
        {name: Money(amount["micro"], amount["currency"]) for name, amount in row.amounts.items()},
        row.detail,
        row.since,
        row.seen_at,
        row.until,
        row.owner_id,
        row.owner_name,
        row.settled_by,
        row.resolution,
    )
