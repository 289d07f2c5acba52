"""The data clock: what is kept for an organization without money is kept for a stated time, and then released.

It runs while lack of funds keeps something suspended, or while only suspended things are left and nothing pays for
them. Its end is announced with its date when it begins, and again seven, three and one day before; the last one comes
a whole day before whatever is done, however late that is. Any top-up cancels it: if that is not enough, it begins anew.

With it a debt ends too: what is suspended costs its suspended price for so long at most, and nothing after that.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from sublet.billing.events import DataClockAnnounced, DataClockStopped
from sublet.billing.policy import Policy
from sublet.billing.runway import is_enough
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.outbox import publish

NOTICES = (7, 3, 1)
"""So many days before the end it is announced again."""
DAY = timedelta(days=1)
AGAIN = timedelta(hours=1)
"""What is still there so long after it was to be released is told of once more."""

_BEGIN = text(
    """
    INSERT INTO data_clock (organization_id, currency, deletes_at, told_days)
    VALUES (:organization_id, :currency, :deletes_at, :told_days)
    """
)
_TELL = text(
    """
    UPDATE data_clock SET deletes_at = :deletes_at, told_days = :told_days
     WHERE organization_id = :organization_id AND currency = :currency
    """
)
_END = text(
    "UPDATE data_clock SET released_at = :now WHERE organization_id = :organization_id AND currency = :currency"
)
_STOP = text("DELETE FROM data_clock WHERE organization_id = :organization_id AND currency = :currency")
_HAS_ENDED = text(
    """
    SELECT deletes_at <= clock_timestamp() AND released_at IS NOT NULL AS ended FROM data_clock
     WHERE organization_id = :organization_id AND currency = :currency FOR SHARE
    """
)
_KEPT = text(
    """
    SELECT m.subject_id
      FROM meter m
     WHERE m.organization_id = :organization_id AND m.currency = :currency AND NOT m.settled
       AND m.stopped_at IS NULL AND m.kind = 'suspended' AND (m.out_of_funds OR m.suspended_nano_per_hour > 0)
     ORDER BY m.subject_id
    """
)


async def wind(session: Session, rows: Sequence[Row[Any]], *, policy: Policy) -> list[tuple[str, str]]:
    """Let each organization's clock begin, tell, stop or end; returns the organizations and subjects to be released.

    A row has `organization_id`, `currency`, `level` of the funds clock, `left`, `burn`, `if_resumed`, `running` and
    `keeps` (whether something is suspended that costs, or that lack of funds suspended), and `deletes_at`, `told_days`
    and `released_at` of the data clock, if it runs. Nobody who has enough is out of funds, whether or not what was
    suspended may resume yet.
    """
    now = await database_now(session)
    ended: list[tuple[str, str]] = []
    for row in rows:
        is_out = row.level == "suspended" or (row.left <= 0 and row.burn > 0 and not row.running)
        if not (is_out and row.keeps) or is_enough(row, policy):
            if row.deletes_at is not None:
                await cancel(session, row.organization_id, currency=row.currency)
        elif row.deletes_at is None:
            await _announce(session, row, now + timedelta(days=policy.data_kept_days), policy.data_kept_days, _BEGIN)
        elif (days := _due_notice(row, now)) is not None:
            last = days == min(NOTICES)
            await _announce(session, row, max(row.deletes_at, now + DAY) if last else row.deletes_at, days, _TELL)
        elif row.deletes_at <= now and (row.released_at is None or row.released_at + AGAIN <= now):
            about = {"organization_id": row.organization_id, "currency": row.currency}
            await session.execute(_END, {**about, "now": now})
            subject_ids = (await session.execute(_KEPT, about)).scalars()
            ended += [(row.organization_id, subject_id) for subject_id in subject_ids]
    return ended


def _due_notice(row: Row[Any], now: datetime) -> int | None:
    """The soonest notice whose time has come and that was not told; None if there is none."""
    due = [days for days in NOTICES if days < row.told_days and row.deletes_at - now <= days * DAY]
    return min(due, default=None)


async def _announce(session: Session, row: Row[Any], deletes_at: datetime, days: int, statement: Any) -> None:
    about = {"organization_id": row.organization_id, "currency": row.currency}
    await session.execute(statement, {**about, "deletes_at": deletes_at, "told_days": days})
    event = DataClockAnnounced(currency=row.currency, deletes_at=deletes_at, days=days)
    await publish(session, event, subject=row.organization_id, organization_id=row.organization_id)


async def cancel(session: Session, organization_id: str, *, currency: str) -> None:
    """Money came in, or nothing is kept any more: nothing is deleted. What is still unpaid is given the whole time."""
    about = {"organization_id": organization_id, "currency": currency}
    if (await session.execute(_STOP, about)).rowcount:
        event = DataClockStopped(currency=currency)
        await publish(session, event, subject=organization_id, organization_id=organization_id)


async def has_ended(session: Session, organization_id: str, *, currency: str) -> bool:
    """Whether the time is over; it stays so until the transaction ends, and a top-up that comes meanwhile waits."""
    about = {"organization_id": organization_id, "currency": currency}
    return bool((await session.execute(_HAS_ENDED, about)).scalar_one_or_none())
