"""The data clock: what is kept for an organization without money is kept for a stated time, and then released.

It runs while lack of funds keeps something suspended, or while only suspended things are left and nothing pays for
them. Its end is announced with its date when it begins, and again seven, three and one day before; the last one comes
a whole day before whatever is done, however late that is.

A top-up after which there is enough cancels it, and so does one that pays all that is owed where keeping has a price:
the time begins anew then. A smaller one gives the whole time once; after that only more money moves the date. So a debt
ends too: what is suspended costs its suspended price for twice that time at most, and nothing after that.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from sublet.billing import rates
from sublet.billing.events import DataClockAnnounced, DataClockStopped
from sublet.billing.policy import Policy
from sublet.billing.runway import BURNING, UNPAID, is_enough
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.locks import ALL, Space, alone
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
_TOP_UP = text(
    """
    UPDATE data_clock SET topped_up_at = clock_timestamp()
     WHERE organization_id = :organization_id AND currency = :currency
    """
)
_RENEW = text(
    """
    UPDATE data_clock SET deletes_at = :deletes_at, told_days = :told_days, released_at = NULL,
                          topped_up_at = nullif(topped_up_at, :topped_up_at), renewed_at = clock_timestamp()
     WHERE organization_id = :organization_id AND currency = :currency
    """
)
_STANDS = text(
    """
    UPDATE data_clock SET topped_up_at = nullif(topped_up_at, :topped_up_at)
     WHERE organization_id = :organization_id AND currency = :currency
    """
)
_STOP = text("DELETE FROM data_clock WHERE organization_id = :organization_id AND currency = :currency")
_HAS_ENDED = text(
    """
    SELECT deletes_at <= clock_timestamp() AND released_at IS NOT NULL AND topped_up_at IS NULL AS ended
      FROM data_clock WHERE organization_id = :organization_id AND currency = :currency FOR SHARE
    """
)
_HOW_IT_STANDS = text(
    f"""
    SELECT d.currency, c.level, coalesce(f.total, 0) - {UNPAID} AS left, coalesce(b.burn, 0) AS burn,
           coalesce(b.if_resumed, 0) AS if_resumed, coalesce(b.running, false) AS running,
           coalesce(b.keeps, false) AS keeps
      FROM data_clock d
      LEFT JOIN ({BURNING.format(scope="AND m.organization_id = :organization_id")}) b ON b.currency = d.currency
      LEFT JOIN funds_clock c ON c.organization_id = d.organization_id AND c.currency = d.currency
      LEFT JOIN ledger.funds f ON f.owner_id = d.organization_id AND f.currency = d.currency
     WHERE d.organization_id = :organization_id AND d.currency = :currency
    """  # noqa: S608 - only constant expressions
)
_KEPT = text(
    f"""
    SELECT m.subject_id
      FROM meter m
     WHERE m.organization_id = :organization_id AND m.currency = :currency AND NOT m.settled
       AND m.stopped_at IS NULL AND m.kind <> 'running' AND (m.out_of_funds OR {rates.NOW} > 0)
     ORDER BY m.subject_id
    """  # noqa: S608 - a constant expression
)


async def review_alone(session: Session) -> None:
    """Let no other review of funds, and nothing that its clocks end, go on before the session's transaction is over."""
    await alone(session, Space.FUNDS_CLOCK, ALL)


def is_unpaid(row: Row[Any], policy: Policy) -> bool:
    """Whether something is kept that nobody pays for, by `level`, `left`, `burn`, `if_resumed`, `running` and `keeps`.

    Nobody who has enough is out of funds, whether or not what was suspended may resume yet.
    """
    is_out = row.level == "suspended" or (row.left <= 0 and row.burn > 0 and not row.running)
    return is_out and row.keeps and not is_enough(row, policy)


async def wind(session: Session, rows: Sequence[Row[Any]], *, policy: Policy) -> list[tuple[str, str]]:
    """Let each organization's clock begin, tell, stop or end; returns the organizations and subjects to be released.

    A row has `organization_id`, `currency`, `level` of the funds clock, `left`, `burn`, `if_resumed`, `running` and
    `keeps` (whether something is suspended that costs, or that lack of funds suspended), and `deletes_at`, `told_days`,
    `released_at`, `topped_up_at` and `renewed_at` of the data clock, if it runs.
    """
    now = await database_now(session)
    ended: list[tuple[str, str]] = []
    for row in rows:
        if not is_unpaid(row, policy):
            if row.deletes_at is not None:
                await _cancel(session, row)
        elif row.deletes_at is None:
            await _announce(session, row, now + timedelta(days=policy.data_kept_days), policy.data_kept_days, _BEGIN)
        elif row.topped_up_at is not None:
            await _weigh_top_up(session, row, now, policy)
        elif (days := _due_notice(row, now)) is not None:
            last = days == min(NOTICES)
            await _announce(session, row, max(row.deletes_at, now + DAY) if last else row.deletes_at, days, _TELL)
        elif row.deletes_at <= now and (row.released_at is None or row.released_at + AGAIN <= now):
            await session.execute(_END, {**_about(row), "now": now})
            subject_ids = (await session.execute(_KEPT, _about(row))).scalars()
            ended += [(row.organization_id, subject_id) for subject_id in subject_ids]
    return ended


async def _weigh_top_up(session: Session, row: Row[Any], now: datetime, policy: Policy) -> None:
    """What a top-up that was not enough does: it pays all that keeping has cost, or gives the time once, or neither."""
    if row.burn > 0 and row.left > 0:
        await _cancel(session, row)  # the next review begins it anew
    elif row.renewed_at is None:
        await _announce(session, row, now + timedelta(days=policy.data_kept_days), policy.data_kept_days, _RENEW)
    else:
        await session.execute(_STANDS, _about(row))


def _about(row: Row[Any]) -> dict[str, Any]:
    """Which clock, and the top-up that was seen: of one that came meanwhile nothing is known yet."""
    return {"organization_id": row.organization_id, "currency": row.currency, "topped_up_at": row.topped_up_at}


def _due_notice(row: Row[Any], now: datetime) -> int | None:
    """The soonest notice whose time has come and that was not told; None if there is none."""
    due = [days for days in NOTICES if days < row.told_days and row.deletes_at - now <= days * DAY]
    return min(due, default=None)


async def _announce(session: Session, row: Row[Any], deletes_at: datetime, days: int, statement: Any) -> None:
    await session.execute(statement, {**_about(row), "deletes_at": deletes_at, "told_days": days})
    event = DataClockAnnounced(currency=row.currency, deletes_at=deletes_at, days=days)
    await publish(session, event, subject=row.organization_id, organization_id=row.organization_id)


async def _cancel(session: Session, row: Row[Any]) -> None:
    await session.execute(_STOP, _about(row))
    event = DataClockStopped(currency=row.currency)
    await publish(session, event, subject=row.organization_id, organization_id=row.organization_id)


async def note_top_up(session: Session, organization_id: str, *, currency: str) -> None:
    """Money came in: nothing is released before the next review has looked at what that pays."""
    await session.execute(_TOP_UP, {"organization_id": organization_id, "currency": currency})


async def is_over(session: Session, organization_id: str, *, currency: str, policy: Policy) -> bool:
    """Whether the time is over and still nobody pays: asked right before what cannot be undone.

    It stays so until the transaction ends, for a top-up that comes meanwhile waits, and so does the next review. What
    was given without a top-up since the last one counts as it does there.
    """
    about = {"organization_id": organization_id, "currency": currency}
    await review_alone(session)
    if not (await session.execute(_HAS_ENDED, about)).scalar_one_or_none():
        return False
    stands = {**about, "evidence_gap_seconds": policy.evidence_gap_seconds}
    return is_unpaid((await session.execute(_HOW_IT_STANDS, stands)).one(), policy)
