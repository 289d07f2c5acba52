"""Browser sessions: begun, listed, ended. The secret is 256 random bits, and only its SHA-256 is stored."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select, text, update

from sublet.audit.record import record
from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.ids import new_id
from sublet.identity.audit import SessionRecord
from sublet.identity.models import user_session
from sublet.identity.permissions import held_by, held_by_token
from sublet.identity.token_format import secret_hash

SECRET_BYTES = 32
LONGEST_USER_AGENT = 400
IDLE_SECONDS = 12 * 3600
MOST_SESSIONS = 100


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that just began; `secret` goes into the cookie and nowhere else."""

    id: str
    secret: str


_BEGIN = text(
    """
    INSERT INTO user_session (id, user_id, organization_id, secret_hash, strength, expires_at, address, user_agent)
    VALUES (
      :id, :user_id, (SELECT organization_id FROM membership WHERE user_id = :user_id ORDER BY seq LIMIT 1),
      :secret_hash, :strength, clock_timestamp() + make_interval(secs => :seconds), :address, :user_agent
    )
    RETURNING id, user_id, organization_id, strength, expires_at, address, user_agent
    """
)


# A session nobody ends lasts for days: whoever signs in over and over has so many at a time, the newest.
_END_OLDEST = text(
    """
    UPDATE user_session SET revoked_at = clock_timestamp()
     WHERE id IN (SELECT id FROM user_session WHERE user_id = :user_id AND revoked_at IS NULL
                   ORDER BY seq DESC OFFSET :most)
    """
)


async def begin(session: Session, actor: Actor, *, user_agent: str | None, absolute_seconds: int) -> NewSession:
    """A new session of the actor's user, as strong as they signed in, whatever the browser brought along.

    Beyond `MOST_SESSIONS` of theirs the oldest ends."""
    assert actor.strength is not None  # it is known how whoever signs in has done so
    new = NewSession(new_id("ses"), secrets.token_urlsafe(SECRET_BYTES))
    row = (
        await session.execute(
            _BEGIN,
            {
                "id": new.id,
                "user_id": actor.user_id,
                "secret_hash": secret_hash(new.secret),
                "strength": actor.strength.value,
                "seconds": absolute_seconds,
                "address": actor.address,
                "user_agent": (user_agent or "")[:LONGEST_USER_AGENT] or None,
            },
        )
    ).one()
    await session.execute(_END_OLDEST, {"user_id": actor.user_id, "most": MOST_SESSIONS})
    await record(
        session,
        actor,
        "login.succeeded",
        "session",
        new.id,
        after=SessionRecord.model_validate(row),
        organization_id=row.organization_id,
    )
    return new


async def end_by_secret(session: Session, secret: str, *, address: str | None) -> bool:
    """End the session that a browser holds, as at logout; False if that session has ended, or never was."""
    row = (
        await session.execute(
            update(user_session)
            .where(user_session.c.secret_hash == secret_hash(secret), user_session.c.revoked_at.is_(None))
            .values(revoked_at=func.clock_timestamp())
            .returning(user_session.c.id, user_session.c.user_id, user_session.c.organization_id)
        )
    ).first()
    if row is None:
        return False
    actor = Actor(
        kind="user",
        user_id=row.user_id,
        organization_id=row.organization_id,
        session_id=row.id,
        address=address,
    )
    await record(session, actor, "session.ended", "session", row.id)
    return True


async def owner_of(session: Session, secret: str) -> str | None:
    """Whose session a secret is or was, so long as it is remembered; None if it never was one."""
    found = await session.execute(
        select(user_session.c.user_id).where(user_session.c.secret_hash == secret_hash(secret))
    )
    return found.scalar_one_or_none()


def _live(user_id: str, idle_seconds: int) -> list[Any]:
    return [
        user_session.c.user_id == user_id,
        user_session.c.revoked_at.is_(None),
        user_session.c.expires_at > func.clock_timestamp(),
        user_session.c.last_seen_at > func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, idle_seconds),
    ]


async def page(
    session: Session, user_id: str, *, idle_seconds: int, before: int | None, limit: int
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Up to `limit` of the user's live sessions older than the sequence number `before`, newest first."""
    columns = user_session.c
    statement = (
        select(columns.seq, columns.id, columns.created_at, columns.last_seen_at, columns.address, columns.user_agent)
        .where(*_live(user_id, idle_seconds))
        .order_by(columns.seq.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(columns.seq < before)
    return (await session.execute(statement)).all()


async def revoke(session: Session, actor: Actor, session_id: str) -> None:
    """End one of the actor's own sessions; NotFound for any other."""
    ended = await session.execute(
        update(user_session)
        .where(
            user_session.c.id == session_id,
            user_session.c.user_id == actor.user_id,
            user_session.c.revoked_at.is_(None),
        )
        .values(revoked_at=func.clock_timestamp())
    )
    if ended.rowcount == 0:
        raise NotFound("session", session_id)
    await record(session, actor, "session.revoked", "session", session_id)


async def revoke_all(session: Session, user_id: str) -> int:
    """End every session of a user; returns how many there were."""
    ended = await session.execute(
        update(user_session)
        .where(user_session.c.user_id == user_id, user_session.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
    return ended.rowcount


HOLDS = "c.revoked_at IS NULL AND u.disabled_at IS NULL AND c.expires_at > clock_timestamp()"
"""Whether a credential `c`, a session or an API token, still lets its user `u` in."""

IN_USE = "c.last_seen_at > clock_timestamp() - make_interval(secs => :idle_seconds)"
"""Whether a session `c` was used lately enough, which is asked of sessions beside that."""

_SESSION_NOW = text(
    f"""
    SELECT m.role, u.platform_roles, ARRAY[]::text[] AS scopes
      FROM user_session c
      JOIN user_account u ON u.id = c.user_id
      LEFT JOIN membership m ON m.organization_id = :organization_id AND m.user_id = c.user_id
     WHERE c.id = :id AND {HOLDS} AND {IN_USE}
    """  # noqa: S608 - a constant condition
)
_TOKEN_NOW = text(
    f"""
    SELECT m.role, u.platform_roles, c.scopes
      FROM api_token c
      JOIN user_account u ON u.id = c.user_id
      LEFT JOIN membership m ON m.organization_id = c.organization_id AND m.user_id = c.user_id
     WHERE c.id = :id AND {HOLDS}
    """  # noqa: S608 - a constant condition
)


async def is_alive(session: Session, actor: Actor, *, idle_seconds: int = IDLE_SECONDS) -> bool:
    """Whether the actor's session or token still gives everything it gave when the actor was let in.

    False once it is ended, revoked, expired or idle, its user is disabled, or a role that mattered is gone. It does
    not count as use, so an unattended socket does not keep a session alive.
    """
    if actor.kind == "system":
        return True
    statement, credential = (_TOKEN_NOW, actor.token_id) if actor.kind == "token" else (_SESSION_NOW, actor.session_id)
    parameters: dict[str, Any] = {"id": credential}
    if statement is _SESSION_NOW:
        parameters |= {"organization_id": actor.organization_id, "idle_seconds": idle_seconds}
    row = (await session.execute(statement, parameters)).first()
    if row is None:
        return False
    roles = frozenset(row.platform_roles)
    held = (
        held_by_token(row.role, roles, frozenset(row.scopes)) if statement is _TOKEN_NOW else held_by(row.role, roles)
    )
    return row.role == actor.role and actor.permissions <= held
