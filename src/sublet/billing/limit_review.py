"""The review of spending limits: tell thresholds once, suspend what runs under one that is reached, resume later.

A limit is the customer's own word, so no grace lets it be passed: what runs is suspended as soon as what is left would
not last until the next look. Nothing is ever released or deleted for it. What it suspended resumes by itself when a new
period begins, or when the limit was raised or cleared.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, text

from sublet.billing import rates, spend
from sublet.billing.events import SpendingAlerted, SpendingLimitReached
from sublet.billing.policy import Policy
from sublet.billing.spend import SpendingLimit
from sublet.core.db import Session
from sublet.core.locks import ALL, Space, alone
from sublet.core.outbox import publish


@dataclass(frozen=True, slots=True)
class LimitAction:
    """What is to be done with one subject because of a spending limit."""

    organization_id: str
    subject_id: str
    step: Literal["suspend", "resume"]


_NOTE = text(
    """
    UPDATE spending_limit
       SET period_start = :period_start, told_percent = :told_percent,
           reached_at = CASE WHEN NOT :reached THEN NULL WHEN :anew THEN clock_timestamp() ELSE reached_at END
     WHERE seq = :seq
    """
)
_RUNNING = text(
    """
    SELECT m.subject_id
      FROM unnest(CAST(:organization_ids AS text[]), CAST(:currencies AS text[]), CAST(:subject_ids AS text[]))
           AS l(organization_id, currency, subject_id)
      JOIN meter m ON m.organization_id = l.organization_id AND m.currency = l.currency
     WHERE NOT m.settled AND m.stopped_at IS NULL AND m.kind = 'running' AND NOT m.over_limit
       AND (l.subject_id IS NULL OR m.subject_id = l.subject_id)
    """
)
_STOPPED = text(
    f"""
    SELECT subject_id, organization_id, currency, {rates.MORE} AS more
      FROM meter m WHERE over_limit AND stopped_at IS NULL AND kind <> 'running'
     ORDER BY subject_id
    """  # noqa: S608 - a constant expression
)
# Rows are locked in one order, by this statement alone: an observer locks some of the same meters.
_MARK = text(
    """
    WITH marked AS (
      SELECT m.subject_id, d.over_limit
        FROM unnest(CAST(:subject_ids AS text[]), CAST(:over_limit AS boolean[])) AS d(subject_id, over_limit)
        JOIN meter m ON m.subject_id = d.subject_id
       WHERE m.stopped_at IS NULL AND m.over_limit <> d.over_limit
       ORDER BY m.subject_id FOR NO KEY UPDATE OF m
    )
    UPDATE meter m SET over_limit = marked.over_limit FROM marked WHERE m.subject_id = marked.subject_id
    RETURNING m.organization_id, m.subject_id, m.over_limit
    """
)


async def review_limits(session: Session, *, policy: Policy) -> list[LimitAction]:
    """Look at every limit and return what is to be done now, each step once.

    The steps count as taken when the session's transaction commits, so the caller acts on them in the same one, and
    lets nobody else review meanwhile.
    """
    await alone(session, Space.SPENDING_LIMITS, ALL)
    limits = await spend.every_limit(session, policy=policy)
    for limit in limits:
        await _tell(session, limit, policy=policy)
    over = await _running(session, [limit for limit in limits if limit.is_reached(policy)])
    free = await _free_again(session, limits, policy=policy)
    marked = {**dict.fromkeys(free, False), **dict.fromkeys(over, True)}
    if not marked:
        return []
    found = await session.execute(_MARK, {"subject_ids": list(marked), "over_limit": list(marked.values())})
    steps = (
        LimitAction(row.organization_id, row.subject_id, "suspend" if row.over_limit else "resume") for row in found
    )
    return sorted(steps, key=lambda step: step.subject_id)


async def _tell(session: Session, limit: SpendingLimit, *, policy: Policy) -> None:
    reached = limit.is_reached(policy)
    percent = limit.percent  # a limit is reached before all of it is spent
    anew = reached and limit.reached_at is None
    if percent > limit.told_percent or anew:
        about: dict[str, Any] = {
            "scope": limit.scope,
            "subject_id": limit.subject_id,
            "subject_name": limit.subject_name,
            "amount": limit.amount.field(),
            "spent": limit.spent.field(),
            "ends_at": limit.ends,
        }
        if percent > limit.told_percent:
            await _publish(session, limit, SpendingAlerted(**about, percent=percent))
        if anew:
            await _publish(session, limit, SpendingLimitReached(**about))
        told = {"told_percent": max(percent, limit.told_percent), "reached": reached, "anew": anew}
        await session.execute(_NOTE, {"seq": limit.seq, "period_start": limit.started, **told})


async def _publish(session: Session, limit: SpendingLimit, event: SpendingAlerted | SpendingLimitReached) -> None:
    await publish(session, event, subject=limit.organization_id, organization_id=limit.organization_id)


async def _running(session: Session, reached: Collection[SpendingLimit]) -> list[str]:
    """What runs under limits that are reached."""
    if not reached:
        return []
    about = {
        "organization_ids": [limit.organization_id for limit in reached],
        "currencies": [limit.currency for limit in reached],
        "subject_ids": [limit.subject_id for limit in reached],
    }
    return list((await session.execute(_RUNNING, about)).scalars())


async def _free_again(session: Session, limits: Collection[SpendingLimit], *, policy: Policy) -> list[str]:
    """What a limit suspended and may run again: all of an organization together, or nothing of it."""
    waiting = (await session.execute(_STOPPED)).all()
    own = {limit.subject_id: limit for limit in limits if limit.subject_id is not None}
    of_wallet: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in waiting:
        if row.subject_id not in own or own[row.subject_id].bears(row.more, policy=policy):
            of_wallet[row.organization_id, row.currency].append(row)
    whole: dict[tuple[str, str], list[SpendingLimit]] = defaultdict(list)
    for limit in limits:
        if limit.subject_id is None:
            whole[limit.organization_id, limit.currency].append(limit)
    return [
        row.subject_id
        for wallet, rows in of_wallet.items()
        if all(limit.bears(sum(row.more for row in rows), policy=policy) for limit in whole[wallet])
        for row in rows
    ]
