"""Open terminals, counted in the database so that every web process sees the same number."""

from typing import Annotated

from sqlalchemy import text

from sublet.audit.fields import TRACK, Recorded
from sublet.audit.record import record
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import TooManyRequests
from sublet.core.ids import new_id
from sublet.core.locks import Space, alone
from sublet.terminal.policy import ALIVE_SECONDS, TerminalPolicy

_COUNT = text(
    """
    SELECT count(*) FROM terminal_session
     WHERE allocation_id = :allocation_id AND ended_at IS NULL AND alive_until > clock_timestamp()
    """
)
_BEGIN = text(
    """
    INSERT INTO terminal_session (id, allocation_id, user_id, address, alive_until)
    VALUES (:id, :allocation_id, :user_id, :address, clock_timestamp() + make_interval(secs => :seconds))
    """
)
_RENEW = text(
    """
    UPDATE terminal_session SET alive_until = clock_timestamp() + make_interval(secs => :seconds)
     WHERE id = :id AND ended_at IS NULL
    """
)
_END = text(
    "UPDATE terminal_session SET ended_at = clock_timestamp(), ended_reason = :reason "
    "WHERE id = :id AND ended_at IS NULL"
)

_FORGET = text(
    """
    DELETE FROM terminal_session
     WHERE id IN (SELECT id FROM terminal_session WHERE alive_until < clock_timestamp() - make_interval(days => :days)
                   ORDER BY alive_until LIMIT :limit)
    """
)


class TooManyTerminals(TooManyRequests):
    """The allocation has as many terminals open as it may."""

    code = "too_many_terminals"


class TerminalRecord(Recorded):
    """What the audit trail says of a terminal."""

    session: Annotated[str, TRACK]
    login: Annotated[str, TRACK]


async def begin(session: Session, actor: Actor, allocation_id: str, *, login: str, policy: TerminalPolicy) -> str:
    """Note a new terminal and return its id; TooManyTerminals when the allocation has enough."""
    await alone(session, Space.TERMINALS, allocation_id)
    alive: int = (await session.execute(_COUNT, {"allocation_id": allocation_id})).scalar_one()
    if alive >= policy.sessions_per_allocation:
        raise TooManyTerminals(
            f"This allocation has {alive} terminals open, and {policy.sessions_per_allocation} is the most. Nothing "
            "was opened. Close one, or use ssh, where this limit does not hold."
        )
    terminal_id = new_id("ts")
    await session.execute(
        _BEGIN,
        {
            "id": terminal_id,
            "allocation_id": allocation_id,
            "user_id": actor.user_id,
            "address": actor.address,
            "seconds": ALIVE_SECONDS,
        },
    )
    await record(
        session,
        actor,
        "terminal.opened",
        "allocation",
        allocation_id,
        after=TerminalRecord(session=terminal_id, login=login),
    )
    return terminal_id


async def renew(session: Session, terminal_id: str) -> bool:
    """Say that the terminal is still open; False if it was ended from elsewhere."""
    changed = await session.execute(_RENEW, {"id": terminal_id, "seconds": ALIVE_SECONDS})
    return changed.rowcount == 1


async def end(session: Session, terminal_id: str, *, reason: str) -> None:
    """Note that the terminal has ended, and why."""
    await session.execute(_END, {"id": terminal_id, "reason": reason})


async def forget_ended(session: Session, *, days: int, limit: int) -> int:
    """Delete terminals that ended so long ago, so many at most; the audit trail keeps that they were opened."""
    return (await session.execute(_FORGET, {"days": days, "limit": limit})).rowcount
