"""Signing up, in and out. Passwords are worked out while no session is open: take, act, conclude."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from sublet.audit.record import record
from sublet.core.actors import Actor, Strength
from sublet.core.db import Database, Session
from sublet.identity import passwords, sessions, throttles, users
from sublet.identity.email_addresses import checked_email
from sublet.identity.errors import LoginRefused, TooManyAttempts
from sublet.identity.models import membership, user_account
from sublet.identity.password_rules import require_strong
from sublet.identity.permissions import held_by
from sublet.identity.users import SignupHook

UNKNOWN_ACCOUNT = "unknown"
"""Target of a refused login for an account that does not exist; what was typed may be a password, and is not kept."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who signs up or in: their address, their browser, and the session that the browser had before."""

    address: str | None
    user_agent: str | None = None
    secret: str | None = None

    @property
    def actor(self) -> Actor:
        """The visitor as the audit trail names somebody who has not signed in."""
        return Actor(kind="anonymous", address=self.address)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that began; `secret` goes into the cookie and nowhere else."""

    actor: Actor
    secret: str


async def sign_up(
    database: Database,
    visitor: Visitor,
    *,
    email: str,
    password: str,
    name: str,
    organization_name: str | None,
    absolute_seconds: int,
    on_signup: Sequence[SignupHook],
) -> SignedIn:
    """A new user, signed in; EmailTaken, PasswordTooWeak, InvalidInput, TooManyAttempts."""
    address = checked_email(email)
    await _pass_throttles(database, visitor, [(throttles.SIGN_UP_BY_ADDRESS, throttles.network_of(visitor.address))])
    await require_strong(password, email=address, name=name)  # judging takes time, so it is throttled too
    password_hash = await passwords.hash_password(password)
    async with database.transaction() as session:
        new = await users.create_with_organization(
            session,
            None,
            email=address,
            password_hash=password_hash,
            name=name,
            organization_name=organization_name,
            address=visitor.address,
            on_signup=on_signup,
        )
        return await _begin(session, visitor, new.user_id, absolute_seconds=absolute_seconds)


async def sign_in(
    database: Database, visitor: Visitor, *, email: str, password: str, absolute_seconds: int
) -> SignedIn:
    """A new session; LoginRefused (the same for a wrong password, no account and a disabled one), TooManyAttempts."""
    network = throttles.network_of(visitor.address)
    counted = [(throttles.LOGIN_BY_ACCOUNT, email.strip()), (throttles.LOGIN_BY_ADDRESS, network)]
    await _pass_throttles(database, visitor, counted)
    async with database.reading() as session:
        user = await users.by_email(session, email.strip())
    right = await passwords.verify(None if user is None else user.password_hash, password)
    rehashed: str | None = None
    if right and user is not None and passwords.is_outdated(user.password_hash):
        rehashed = await passwords.hash_password(password)
    async with database.transaction() as session:
        if right and user is not None and await _lock_enabled(session, user.id):
            if rehashed is not None:
                await session.execute(
                    update(user_account).where(user_account.c.id == user.id).values(password_hash=rehashed)
                )
            await throttles.clear(session, throttles.LOGIN_BY_ACCOUNT, email.strip())
            await throttles.refund(session, throttles.LOGIN_BY_ADDRESS, network)
            return await _begin(session, visitor, user.id, absolute_seconds=absolute_seconds)
        target = UNKNOWN_ACCOUNT if user is None else user.id
        await record(session, visitor.actor, "login.refused", "user", target)
    raise LoginRefused


async def sign_out(session: Session, visitor: Visitor) -> None:
    """End the session that the visitor brought along, if it is one."""
    if visitor.secret:
        await sessions.end_by_secret(session, visitor.secret, address=visitor.address)


async def _pass_throttles(database: Database, visitor: Visitor, counted: Sequence[tuple[throttles.Limit, str]]) -> None:
    """Count the attempt for every throttle, in a transaction of its own; TooManyAttempts if one is closed."""
    async with database.transaction() as session:
        outcomes = [(limit, await throttles.count(session, limit, subject)) for limit, subject in counted]
        for limit, outcome in outcomes:
            if outcome.just_closed:
                await record(session, visitor.actor, "login.throttled", "throttle", limit.name)
    wait_seconds = max(outcome.wait_seconds for _, outcome in outcomes)
    if wait_seconds:
        raise TooManyAttempts(wait_seconds)


async def _lock_enabled(session: Session, user_id: str) -> bool:
    # Disabling a user takes the row's lock too: it either sees this session and ends it, or is seen here.
    row = await session.execute(
        select(user_account.c.id)
        .where(user_account.c.id == user_id, user_account.c.disabled_at.is_(None))
        .with_for_update(read=True)
    )
    return row.first() is not None


async def _begin(session: Session, visitor: Visitor, user_id: str, *, absolute_seconds: int) -> SignedIn:
    if visitor.secret:
        await sessions.end_by_secret(session, visitor.secret, address=visitor.address)
    user = (
        await session.execute(
            select(user_account.c.name, user_account.c.platform_roles, membership.c.organization_id, membership.c.role)
            .outerjoin_from(user_account, membership, membership.c.user_id == user_account.c.id)
            .where(user_account.c.id == user_id)
            .order_by(membership.c.seq)
            .limit(1)
        )
    ).one()
    platform_roles = frozenset(user.platform_roles)
    actor = Actor(
        kind="user",
        user_id=user_id,
        organization_id=user.organization_id,
        role=user.role,
        platform_roles=platform_roles,
        permissions=held_by(user.role, platform_roles),
        address=visitor.address,
        strength=Strength.PASSWORD,
        confirmed_seconds_ago=0.0,
        name=user.name,
    )
    begun = await sessions.begin(session, actor, user_agent=visitor.user_agent, absolute_seconds=absolute_seconds)
    return SignedIn(actor, begun.secret)
