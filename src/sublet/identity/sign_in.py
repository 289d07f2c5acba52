"""Signing up, in and out. Passwords are worked out while no session is open: take, act, conclude.

Nobody can keep somebody else from signing in. What closes is the pair of an account and where the attempts come from;
an account alone, and a network alone, are only slowed. A browser in which its owner was signed in lately is counted
apart from the network that it is in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import select, update

from sublet.audit.record import record
from sublet.core.actors import Actor, Strength
from sublet.core.db import Database, Session
from sublet.identity import passwords, sessions, terms, throttles, users
from sublet.identity.email_addresses import checked_email
from sublet.identity.errors import LoginRefused, PasswordsWait, TooManyAttempts
from sublet.identity.hash_queue import HashQueue, Origin
from sublet.identity.models import membership, user_account
from sublet.identity.permissions import held_by
from sublet.identity.terms import Terms
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
    hashing: HashQueue,
    visitor: Visitor,
    *,
    email: str,
    password: str,
    name: str,
    organization_name: str | None,
    absolute_seconds: int,
    in_force: Terms | None,
    accepted_terms: str | None,
    on_signup: Sequence[SignupHook],
) -> SignedIn:
    """A new user, signed in, who has accepted the terms in force; TermsMissing, EmailTaken, PasswordTooWeak,
    InvalidInput, TooManyAttempts, PasswordsWait."""
    terms.require_accepted(in_force, accepted_terms)
    address = checked_email(email)
    origin = Origin(throttles.network_of(visitor.address))
    async with hashing.place(origin):
        async with database.transaction() as session:
            subject = throttles.address_of(visitor.address)
            counted = await _count(session, visitor, throttles.SIGN_UP_BY_ADDRESS, subject)
        if counted.wait_seconds:
            raise TooManyAttempts(counted.wait_seconds)
        password_hash = await hashing.run(origin, partial(passwords.hash_strong, password, email=address, name=name))
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
        if in_force is not None:
            person = Actor(
                kind="user",
                user_id=new.user_id,
                organization_id=new.organization_id,
                address=visitor.address,
                name=name,
            )
            await terms.note(session, person, in_force, occasion="sign_up", user_agent=visitor.user_agent)
        return await _begin(session, visitor, new.user_id, absolute_seconds=absolute_seconds)


async def sign_in(
    database: Database, hashing: HashQueue, visitor: Visitor, *, email: str, password: str, absolute_seconds: int
) -> SignedIn:
    """A new session; LoginRefused (the same for a wrong password, no account and a disabled one), TooManyAttempts,
    PasswordsWait."""
    typed = email.strip()
    network = throttles.network_of(visitor.address)
    if not visitor.secret:
        hashing.refuse_if_full(Origin(network))
    async with database.reading() as session:
        user = await users.by_email(session, typed)
        was_signed_in = None if not visitor.secret else await sessions.owner_of(session, visitor.secret)
    known = user is not None and was_signed_in == user.id
    origin = Origin(f"owner of {was_signed_in}", known=True) if known else Origin(network)
    pair = f"{typed}\n{origin.name}"
    counted_network = None if known else network
    at_account, seconds = await _pass_throttles(database, visitor, typed, pair, network=counted_network)
    try:
        await hashing.slow(origin.name if known else throttles.address_of(visitor.address), seconds)
        async with hashing.place(origin):
            verdict = await hashing.run(
                origin, partial(passwords.verify, None if user is None else user.password_hash, password)
            )
    except (PasswordsWait, TooManyAttempts):
        # Nobody looked at the password, so it was no wrong one.
        async with database.transaction() as session:
            await _refund(session, typed, pair, counted_network)
        raise
    async with database.transaction() as session:
        if verdict.right and user is not None and await _lock_enabled(session, user.id):
            if verdict.rehashed is not None:
                await session.execute(
                    update(user_account).where(user_account.c.id == user.id).values(password_hash=verdict.rehashed)
                )
            await throttles.clear(session, throttles.LOGIN_BY_PAIR, pair)
            await _refund(session, typed, pair, counted_network)
            return await _begin(session, visitor, user.id, absolute_seconds=absolute_seconds)
        target = UNKNOWN_ACCOUNT if user is None else user.id
        await record(session, visitor.actor, "login.refused", "user", target)
        if at_account.attempts == throttles.LOGIN_BY_ACCOUNT.attempts:
            await record(session, visitor.actor, "login.many_refused", "user", target)
    raise LoginRefused


async def sign_out(session: Session, visitor: Visitor) -> None:
    """End the session that the visitor brought along, if it is one."""
    if visitor.secret:
        await sessions.end_by_secret(session, visitor.secret, address=visitor.address)


async def _pass_throttles(
    database: Database, visitor: Visitor, account: str, pair: str, *, network: str | None
) -> tuple[throttles.Count, float]:
    """Count the attempt; what was counted at the account, and for how many seconds the attempt is to be held back,
    because its account or its network is slowed. TooManyAttempts if the pair is closed: then it counts against nobody
    else.

    From a hundred in an hour an account would be asked for a second factor or a code sent by mail. There is neither
    yet, so it stays slowed; it is never closed.
    """
    async with database.transaction() as session:
        of_pair = await _count(session, visitor, throttles.LOGIN_BY_PAIR, pair)
        if not of_pair.wait_seconds:
            at_account = await throttles.count(session, throttles.LOGIN_BY_ACCOUNT, account)
            of_network = None
            if network is not None:
                of_network = await throttles.count(session, throttles.LOGIN_BY_NETWORK, network)
                if of_network.just_closed:
                    await record(session, visitor.actor, "login.many_refused", "network", network)
    if of_pair.wait_seconds:
        raise TooManyAttempts(of_pair.wait_seconds)
    return at_account, throttles.slowed_seconds(at_account, of_network)


async def _refund(session: Session, account: str, pair: str, network: str | None) -> None:
    """Take back what `_pass_throttles` counted."""
    await throttles.refund(session, throttles.LOGIN_BY_PAIR, pair)
    await throttles.refund(session, throttles.LOGIN_BY_ACCOUNT, account)
    if network is not None:
        await throttles.refund(session, throttles.LOGIN_BY_NETWORK, network)


async def _count(session: Session, visitor: Visitor, limit: throttles.Limit, subject: str) -> throttles.Count:
    counted = await throttles.count(session, limit, subject)
    if counted.just_closed:
        await record(session, visitor.actor, "login.throttled", "throttle", limit.name)
    return counted


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
