"""Users: a person and the organization they own come to be together; a disabled person loses everything at once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio import to_thread
from sqlalchemy import Row, func, select, text, update

from sublet.audit.record import record
from sublet.core.actors import Actor, system_actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.core.ids import new_id
from sublet.core.outbox import publish
from sublet.identity import api_tokens, organizations, passwords, sessions
from sublet.identity.audit import OrganizationRecord, UserRecord
from sublet.identity.email_addresses import checked_email
from sublet.identity.errors import EmailTaken
from sublet.identity.events import OrganizationCreated, UserDisabled, publish_access_changed
from sublet.identity.models import membership, organization, user_account
from sublet.identity.permissions import OWNER, PLATFORM_ROLES

SignupHook = Callable[[Session, str], Awaitable[None]]
"""Called with the transaction and the new organization's id, for what must exist together with it."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """The ids of what a sign-up made."""

    user_id: str
    organization_id: str


_INSERT_USER = text(
    """
    INSERT INTO user_account (id, email, name, password_hash, platform_roles)
    VALUES (:id, :email, :name, :password_hash, :platform_roles)
    ON CONFLICT (lower(email)) DO NOTHING
    RETURNING *
    """
)


async def create_with_organization(
    session: Session,
    actor: Actor | None,
    *,
    email: str,
    password_hash: str,
    name: str,
    organization_name: str | None,
    address: str | None = None,
    platform_roles: frozenset[str] = frozenset(),
    on_signup: Sequence[SignupHook] = (),
) -> NewUser:
    """A user, an organization and the ownership between them; EmailTaken. Without an actor the user acts themselves."""
    new = NewUser(new_id("usr"), new_id("org"))
    row = (
        await session.execute(
            _INSERT_USER,
            {
                "id": new.user_id,
                "email": email,
                "name": name,
                "password_hash": password_hash,
                "platform_roles": sorted(platform_roles),
            },
        )
    ).first()
    if row is None:
        raise EmailTaken
    title = organization_name or name
    await session.execute(organization.insert().values(id=new.organization_id, name=title))
    await session.execute(
        membership.insert().values(organization_id=new.organization_id, user_id=new.user_id, role=OWNER)
    )
    doer = actor or Actor(
        kind="user",
        user_id=new.user_id,
        organization_id=new.organization_id,
        role=OWNER,
        address=address,
        name=name,
    )
    created = OrganizationRecord(id=new.organization_id, name=title, owner_id=new.user_id)
    await record(session, doer, "user.created", "user", new.user_id, after=UserRecord.model_validate(row))
    await record(session, doer, "organization.created", "organization", new.organization_id, after=created)
    await publish(
        session,
        OrganizationCreated(organization_id=new.organization_id, name=title),
        subject=new.organization_id,
        organization_id=new.organization_id,
    )
    for hook in on_signup:
        await hook(session, new.organization_id)
    return new


async def create_user(
    session: Session,
    *,
    email: str,
    password: str,
    name: str,
    organization_name: str | None = None,
    platform_roles: frozenset[str] = frozenset(),
    on_signup: Sequence[SignupHook] = (),
) -> NewUser:
    """A user made by Sublet itself (the first operator, the demo); PasswordTooWeak, EmailTaken, InvalidInput."""
    address = checked_email(email)
    password_hash = await to_thread.run_sync(partial(passwords.hash_strong, password, email=address, name=name))
    return await create_with_organization(
        session,
        system_actor(),
        email=address,
        password_hash=password_hash,
        name=name,
        organization_name=organization_name,
        platform_roles=platform_roles,
        on_signup=on_signup,
    )


async def create_operator(
    session: Session,
    email: str,
    password: str,
    platform_roles: frozenset[str],
    *,
    name: str = "Operator",
    on_signup: Sequence[SignupHook] = (),
) -> NewUser:
    """A user with platform roles and an organization of their own, which their API tokens are bound to."""
    unknown = platform_roles - PLATFORM_ROLES.keys()
    if unknown:
        raise ValueError(f"no such platform role: {', '.join(sorted(unknown))}; there are {', '.join(PLATFORM_ROLES)}")
    return await create_user(
        session, email=email, password=password, name=name, platform_roles=platform_roles, on_signup=on_signup
    )


async def by_email(session: Session, email: str) -> Row[*tuple[Any, ...]] | None:
    """The user with the address, in whatever case it is typed; also a disabled one."""
    found = await session.execute(select(user_account).where(func.lower(user_account.c.email) == func.lower(email)))
    return found.first()


async def by_id(session: Session, user_id: str) -> Row[*tuple[Any, ...]] | None:
    """The user, whichever organizations they are in or have left; also a disabled one."""
    return (await session.execute(select(user_account).where(user_account.c.id == user_id))).one_or_none()


async def disable(session: Session, actor: Actor, user_id: str) -> None:
    """Lock a person out: sessions and tokens end, sign-in is refused, allocations drop their keys. NotFound.

    Waits for operators who administer people.
    """
    before = (await session.execute(select(user_account).where(user_account.c.id == user_id).with_for_update())).first()
    if before is None:
        raise NotFound("user", user_id)
    await sessions.revoke_all(session, user_id)
    await api_tokens.revoke_all(session, user_id)
    if before.disabled_at is not None:
        return
    after = (
        await session.execute(
            update(user_account)
            .where(user_account.c.id == user_id)
            .values(disabled_at=func.clock_timestamp())
            .returning(*user_account.c)
        )
    ).one()
    await record(
        session,
        actor,
        "user.disabled",
        "user",
        user_id,
        before=UserRecord.model_validate(before),
        after=UserRecord.model_validate(after),
    )
    await publish(session, UserDisabled(user_id=user_id), subject=user_id, organization_id=None)
    affected = await organizations.ids_of_user(session, user_id)
    await publish_access_changed(session, affected, user_id=user_id, reason="user_disabled")
