"""Months of the books: where they begin and end, which are closed, and what each came to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from sublet.core.actions import Refusal
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.ledger.failures import LedgerRefused, MonthNotClosable
from sublet.ledger.functions import call_for_id, rows


@dataclass(frozen=True, slots=True)
class Month:
    """A month such as `2026-11`, from its first moment to the first of the next. `closed_at` is None while open."""

    month: str
    starts_at: datetime
    ends_at: datetime
    closed_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True, slots=True)
class Edge:
    """The first moment that a month has no more, and whether it is closed."""

    ends_at: datetime
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Total:
    """What the accounts of one kind came to, in micro-units: positive where more was credited than debited."""

    kind: str
    currency: str
    opening: int
    debits: int
    credits: int

    @property
    def closing(self) -> int:
        """What they have at the end."""
        return self.opening + self.credits - self.debits


# From the first entry, or the first month that was closed, to the month that it is now.
_MONTHS = text(
    """
    SELECT m.month, ledger.month_starts(m.month) AS starts_at, ledger.month_ends(m.month) AS ends_at,
           c.closed_at, c.closed_by
      FROM ledger.books_calendar k
     CROSS JOIN LATERAL (
       SELECT least((SELECT effective_at FROM ledger.ledger_entry ORDER BY id LIMIT 1),
                    (SELECT min(starts_at) FROM ledger.month)) AS at
     ) first
     CROSS JOIN LATERAL (
       SELECT to_char(day, 'YYYY-MM') AS month
         FROM generate_series(date_trunc('month', coalesce(first.at, clock_timestamp()) AT TIME ZONE k.time_zone),
                              clock_timestamp() AT TIME ZONE k.time_zone, '1 month') AS day
     ) m
      LEFT JOIN ledger.month c ON c.month = m.month
     ORDER BY m.month DESC
    """
)
_TOTALS = text(
    """
    SELECT kind::text, currency, opening, debits, credits FROM ledger.month_total WHERE month = :month
     ORDER BY currency, kind
    """
)
_SO_FAR = text(
    """
    SELECT kind::text, currency, coalesce(before.credits - before.debits, 0) AS opening,
           coalesce(m.debits, 0) AS debits, coalesce(m.credits, 0) AS credits
      FROM ledger.moved_between('-infinity', :starts_at) before
      FULL JOIN ledger.moved_between(:starts_at, :ends_at) m USING (kind, currency)
     ORDER BY currency, kind
    """
)
_SPAN = text("SELECT ledger.month_starts(:first) AS starts_at, ledger.month_ends(:last) AS ends_at")
_EDGE = text(
    """
    SELECT ledger.month_ends(:month) AS ends_at, EXISTS (SELECT FROM ledger.month WHERE month = :month) AS is_closed
    """
)
_PRESENT = text("SELECT month FROM ledger.present_month")
_TIME_ZONE = text("SELECT time_zone FROM ledger.books_calendar")


async def edge(session: Session, name: str) -> Edge:
    """When a month ends, and whether it is closed; LedgerRefused where nobody has said in which time zone."""
    row = (await session.execute(_EDGE, {"month": name})).one()
    if row.ends_at is None:
        raise LedgerRefused("The books have no calendar, so no month ends. Nothing was posted. Set SUBLET_TIME_ZONE.")
    return Edge(row.ends_at, row.is_closed)


async def keep_calendar(session: Session, time_zone: str) -> str:
    """Say in which time zone months end; returns the one that holds, which is another once there are entries."""
    kept: str = (await rows(session, "keep_calendar", time_zone=time_zone)).scalar_one()
    return kept


async def time_zone(session: Session) -> str | None:
    """The time zone in which months begin and end; None before anybody has said."""
    return (await session.execute(_TIME_ZONE)).scalar_one_or_none()


async def months(session: Session) -> list[Month]:
    """Every month that there is something in, newest first, and the present one."""
    return [_month(row) for row in await session.execute(_MONTHS)]


async def month(session: Session, name: str) -> Month:
    """One of them; NotFound if the books have no such month."""
    found = next((one for one in await months(session) if one.month == name), None)
    if found is None:
        raise NotFound("month", name)
    return found


def why_not_close(one: Month, known: Sequence[Month], now: datetime) -> Refusal | None:
    """Why a month cannot be closed now."""
    if one.closed_at is not None:
        return _refusal(f"{one.month} is closed since {one.closed_at.isoformat(timespec='seconds')}.")
    if one.ends_at > now:
        return _refusal(f"{one.month} is not over: it ends at {one.ends_at.isoformat(timespec='seconds')}.")
    before = [each for each in known if each.starts_at < one.starts_at and each.closed_at is None]
    if before:
        return _refusal(f"{before[-1].month} is still open, and months are closed one after the other.")
    return None


async def close(session: Session, name: str, *, by: str) -> None:
    """End a month for good: nothing is posted into it any more. MonthNotClosable unless it is the next, and over."""
    await rows(session, "close_month", month=name, by=by)


async def name_corrected(session: Session, entry_id: int, month: str) -> None:
    """Say that an entry of an open month is about a closed one."""
    await call_for_id(session, "name_corrected", entry=entry_id, month=month)


async def present(session: Session) -> str:
    """The month that it is now; LedgerRefused where nobody has said in which time zone."""
    name: str | None = (await session.execute(_PRESENT)).scalar_one_or_none()
    if name is None:
        raise LedgerRefused(
            "The books have no calendar, so it is no month now. Nothing was read. Set SUBLET_TIME_ZONE."
        )
    return name


async def span(session: Session, first: str, last: str) -> tuple[datetime, datetime]:
    """From when until when some months are; the wrong way round, the second time is the earlier one."""
    row = (await session.execute(_SPAN, {"first": first, "last": last})).one()
    return row.starts_at, row.ends_at


async def totals(session: Session, one: Month) -> list[Total]:
    """What a month came to: as it was when it was closed, or so far."""
    if one.closed_at is None:
        found = await session.execute(_SO_FAR, {"starts_at": one.starts_at, "ends_at": one.ends_at})
    else:
        found = await session.execute(_TOTALS, {"month": one.month})
    return [Total(row.kind, row.currency, int(row.opening), int(row.debits), int(row.credits)) for row in found]


def _month(row: Row[Any]) -> Month:
    return Month(row.month, row.starts_at, row.ends_at, row.closed_at, row.closed_by)


def _refusal(reason: str) -> Refusal:
    return Refusal(MonthNotClosable, reason, outcome="Nothing was closed.")


_BEGAN = text("SELECT starts_at FROM ledger.present_month")


async def began(session: Session) -> datetime:
    """When the present month of the books began."""
    moment: datetime = (await session.execute(_BEGAN)).scalar_one()
    return moment
