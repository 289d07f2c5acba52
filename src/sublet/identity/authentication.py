"""Who is asking: a browser with a session cookie, or a program with an API token. One query for each request."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from sqlalchemy import Row, TextClause, text
from starlette.requests import HTTPConnection

from sublet.core.actors import Actor, Strength
from sublet.core.db import Database, Session
from sublet.core.errors import NotAuthenticated
from sublet.core.settings import Settings
from sublet.identity import sessions, terms
from sublet.identity.cookies import SessionCookie
from sublet.identity.permissions import held_by, held_by_token
from sublet.identity.token_format import is_well_formed, secret_hash

TOUCH_SECONDS = 60.0
"""Use is written down at most so often."""

_BY_SESSION = text(
    f"""
    SELECT c.id, c.user_id, c.organization_id, u.name, u.platform_roles, m.role,
           c.last_seen_at < clock_timestamp() - make_interval(secs => :touch_seconds) AS is_stale,
           c.strength, extract(epoch FROM clock_timestamp() - c.confirmed_at) AS confirmed_seconds_ago,
           {terms.OWED} AS owes_terms
      FROM user_session c
      JOIN user_account u ON u.id = c.user_id
      LEFT JOIN membership m ON m.organization_id = c.organization_id AND m.user_id = c.user_id
     WHERE c.secret_hash = :secret_hash AND {sessions.HOLDS} AND {sessions.IN_USE}
    """  # noqa: S608 - a constant condition
)
_BY_TOKEN = text(
    f"""
    SELECT c.id, c.user_id, c.organization_id, u.name, u.platform_roles, m.role,
           coalesce(c.last_used_at < clock_timestamp() - make_interval(secs => :touch_seconds), true) AS is_stale,
           c.scopes, {terms.OWED} AS owes_terms
      FROM api_token c
      JOIN user_account u ON u.id = c.user_id
      LEFT JOIN membership m ON m.organization_id = c.organization_id AND m.user_id = c.user_id
     WHERE c.secret_hash = :secret_hash AND {sessions.HOLDS}
    """  # noqa: S608 - a constant condition
)

# A row that another request is writing down just now is skipped: nobody waits for a timestamp.
_TOUCH_SESSION = text(
    """
    UPDATE user_session SET last_seen_at = clock_timestamp()
     WHERE id = (SELECT id FROM user_session WHERE id = :id FOR UPDATE SKIP LOCKED)
    """
)
_TOUCH_TOKEN = text(
    """
    UPDATE api_token SET last_used_at = clock_timestamp()
     WHERE id = (SELECT id FROM api_token WHERE id = :id FOR UPDATE SKIP LOCKED)
    """
)


def address_of(connection: HTTPConnection) -> str | None:
    """The caller's address; behind a trusted proxy the server has put the real one there."""
    return connection.client.host if connection.client is not None else None


class SessionAuthenticator:
    """Finds out who is asking (`core.app.Authenticator`), and whether that still holds, by sessions and API tokens."""

    def __init__(self, settings: Settings) -> None:
        self.cookie = SessionCookie.of(settings)
        self.cookie.warn_if_insecure()
        self.idle_seconds = settings.session_idle_seconds
        self._terms = terms.Terms.of(settings)
        self._touch_seconds = min(TOUCH_SECONDS, self.idle_seconds / 4)

    async def authenticate(self, session: Session, connection: HTTPConnection) -> Actor | None:
        """The actor; None without a credential, NotAuthenticated for one that does not hold (any more)."""
        authorization = connection.headers.get("authorization")
        if authorization:
            return await self._by_token(session, authorization, address_of(connection))
        secret = self.cookie.read(connection)
        return None if not secret else await self._by_session(session, secret, address_of(connection))

    def alive_on(self, database: Database) -> Callable[[Actor], Awaitable[bool]]:
        """For open sockets: whether an actor's credential still holds, asked of this database."""

        async def alive(actor: Actor) -> bool:
            async with database.reading() as session:
                return await sessions.is_alive(session, actor, idle_seconds=self.idle_seconds)

        return alive

    async def _by_session(self, session: Session, secret: str, address: str | None) -> Actor:
        seconds: dict[str, Any] = {"touch_seconds": self._touch_seconds, "idle_seconds": self.idle_seconds}
        row = await _find(session, _BY_SESSION, _TOUCH_SESSION, secret, seconds | terms.asked_of(self._terms))
        if row is None:
            raise NotAuthenticated("Your session has ended. Nothing was changed. Sign in again.")
        person = _Person.of(row)
        return Actor(
            kind="user",
            user_id=person.id,
            organization_id=person.organization_id,
            role=person.role,
            platform_roles=person.platform_roles,
            permissions=held_by(person.role, person.platform_roles),
            session_id=row.id,
            address=address,
            strength=Strength(row.strength),
            confirmed_seconds_ago=float(row.confirmed_seconds_ago),
            owed_terms=self._owed(row),
            name=person.name,
        )

    async def _by_token(self, session: Session, authorization: str, address: str | None) -> Actor:
        scheme, _, token = authorization.partition(" ")
        row = None
        if scheme.lower() == "bearer" and is_well_formed(token.strip()):
            seconds: dict[str, Any] = {"touch_seconds": self._touch_seconds}
            row = await _find(session, _BY_TOKEN, _TOUCH_TOKEN, token.strip(), seconds | terms.asked_of(self._terms))
        if row is None:
            raise NotAuthenticated(
                "This API token is not valid: it is mistyped, expired or revoked. Nothing was changed. Make a new one."
            )
        person = _Person.of(row)
        return Actor(
            kind="token",
            user_id=person.id,
            organization_id=person.organization_id,
            role=person.role,
            platform_roles=person.platform_roles,
            permissions=held_by_token(person.role, person.platform_roles, frozenset(row.scopes)),
            token_id=row.id,
            address=address,
            strength=Strength.TOKEN,
            owed_terms=self._owed(row),
            name=person.name,
        )

    def _owed(self, row: Row[Any]) -> str | None:
        return str(self._terms) if row.owes_terms else None


class _Person(NamedTuple):
    """Who a credential belongs to."""

    id: str
    organization_id: str | None
    name: str
    platform_roles: frozenset[str]
    role: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> "_Person":
        """The person of a row; who has left the credential's organization acts in none."""
        organization_id = None if row.role is None else row.organization_id
        return cls(row.user_id, organization_id, row.name, frozenset(row.platform_roles), row.role)


async def _find(
    session: Session, statement: TextClause, touch: TextClause, secret: str, asked: dict[str, Any]
) -> Row[Any] | None:
    """The row of a credential that holds, by its secret; that it was used is written down now and then."""
    row = (await session.execute(statement, {"secret_hash": secret_hash(secret), **asked})).one_or_none()
    if row is not None and row.is_stale:
        await session.execute(touch, {"id": row.id})
    return row
