"""Organizations as their members and the operators see them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, select

from sublet.core.actors import Actor
from sublet.core.db import Session
from sublet.core.errors import NotFound
from sublet.identity.models import membership, organization, user_account
from sublet.identity.permissions import OWNER


@dataclass(frozen=True, slots=True)
class Membership:
    """An organization, and what the actor is in it; `seq` orders them by when the actor came."""

    seq: int
    id: str
    name: str
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an organization."""

    seq: int
    user_id: str
    email: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class OrganizationOverview:
    """An organization as operators see it."""

    seq: int
    id: str
    name: str
    owner_email: str
    members: int
    created_at: datetime


_MINE = (
    select(membership.c.seq, organization.c.id, organization.c.name, membership.c.role, organization.c.created_at)
    .join_from(membership, organization, organization.c.id == membership.c.organization_id)
    .order_by(membership.c.seq)
)


async def of_actor(session: Session, actor: Actor, *, after: int | None = None, limit: int = 200) -> list[Membership]:
    """The organizations that the actor is in, longest first; for an API token only the one it is bound to."""
    statement = _MINE.where(membership.c.user_id == actor.user_id).limit(limit)
    if actor.kind == "token":
        statement = statement.where(organization.c.id == actor.organization_id)
    if after is not None:
        statement = statement.where(membership.c.seq > after)
    return [Membership(*row) for row in await session.execute(statement)]


async def get(session: Session, actor: Actor, organization_id: str) -> Membership:
    """One organization that the actor is in; NotFound for every other."""
    statement = _MINE.where(membership.c.user_id == actor.user_id, organization.c.id == organization_id)
    row = (await session.execute(statement)).first()
    if row is None or (actor.kind == "token" and organization_id != actor.organization_id):
        raise NotFound("organization", organization_id)
    return Membership(*row)


async def members(
    session: Session, actor: Actor, organization_id: str, *, after: int | None, limit: int
) -> list[Member]:
    """Who is in an organization that the actor is in, longest first; NotFound for every other."""
    await get(session, actor, organization_id)
    statement = (
        select(membership.c.seq, user_account.c.id, user_account.c.email, user_account.c.name, membership.c.role)
        .join_from(membership, user_account, user_account.c.id == membership.c.user_id)
        .where(membership.c.organization_id == organization_id)
        .order_by(membership.c.seq)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(membership.c.seq > after)
    return [Member(*row) for row in await session.execute(statement)]


async def people_of(session: Session, organization_id: str) -> Sequence[Row[*tuple[Any, ...]]]:
    """Everybody in an organization, longest first: `user_id`, `name`, `email`, `role`, `since`, `email_verified_at`."""
    verified = case((user_account.c.verified_email == user_account.c.email, user_account.c.verified_at))
    statement = (
        select(
            user_account.c.id.label("user_id"),
            user_account.c.name,
            user_account.c.email,
            membership.c.role,
            membership.c.created_at.label("since"),
            verified.label("email_verified_at"),
        )
        .join_from(membership, user_account, user_account.c.id == membership.c.user_id)
        .where(membership.c.organization_id == organization_id)
        .order_by(membership.c.seq)
    )
    return (await session.execute(statement)).all()


async def ids_of_user(session: Session, user_id: str) -> list[str]:
    """Every organization that a user is in."""
    rows = await session.execute(select(membership.c.organization_id).where(membership.c.user_id == user_id))
    return list(rows.scalars())


async def names(session: Session, organization_ids: Collection[str]) -> dict[str, str]:
    """The names of organizations by id, for operators' lists."""
    rows = await session.execute(
        select(organization.c.id, organization.c.name).where(organization.c.id.in_(organization_ids))
    )
    return {row.id: row.name for row in rows}


async def name_of(session: Session, organization_id: str | None) -> str:
    """What an organization is called; what belongs to none is the platform's."""
    if organization_id is None:
        return "the platform"
    return (await names(session, [organization_id]))[organization_id]


async def overview(session: Session, *, before: int | None, limit: int) -> Sequence[OrganizationOverview]:
    """Every organization with its owner, newest first, for operators."""
    owner, others = membership.alias("owner"), membership.alias("others")
    count = select(func.count()).where(others.c.organization_id == organization.c.id).scalar_subquery()
    statement = (
        select(
            organization.c.seq,
            organization.c.id,
            organization.c.name,
            user_account.c.email,
            count,
            organization.c.created_at,
        )
        .join_from(organization, owner, (owner.c.organization_id == organization.c.id) & (owner.c.role == OWNER))
        .join(user_account, user_account.c.id == owner.c.user_id)
        .order_by(organization.c.seq.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(organization.c.seq < before)
    return [OrganizationOverview(*row) for row in await session.execute(statement)]
