"""Who is told of something: the people who hold a permission where it happened, less those who are locked out."""

from typing import Any

from sqlalchemy import ARRAY, Select, Text, cast, select

from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.identity.models import membership, user_account
from sublet.identity.permissions import PLATFORM_ROLES, ROLES


async def members_holding(session: Session, organization_id: str, permission: Permission) -> list[str]:
    """The ids of an organization's members whose role there gives the permission, longest first."""
    roles = [role for role, held in ROLES.items() if permission in held]
    return await _ids(
        session,
        select(user_account.c.id)
        .join_from(membership, user_account, user_account.c.id == membership.c.user_id)
        .where(membership.c.organization_id == organization_id, membership.c.role.in_(roles))
        .order_by(membership.c.seq),
    )


async def operators_holding(session: Session, permission: Permission) -> list[str]:
    """The ids of the operators whose platform roles give the permission."""
    roles = [role for role, held in PLATFORM_ROLES.items() if permission in held]
    wanted = (
        select(user_account.c.id)
        .where(user_account.c.platform_roles.bool_op("&&")(cast(roles, ARRAY(Text))))
        .order_by(user_account.c.id)
    )
    return await _ids(session, wanted)


async def held_where(session: Session, user_id: str) -> dict[str | None, frozenset[Permission]]:
    """What a person holds now, by organization and, under None, on the platform; nothing once they are locked out."""
    known = select(user_account.c.platform_roles).where(
        user_account.c.id == user_id, user_account.c.disabled_at.is_(None)
    )
    platform_roles = (await session.execute(known)).scalar_one_or_none()
    if platform_roles is None:
        return {}
    nothing: frozenset[Permission] = frozenset()
    on_platform = nothing.union(*(PLATFORM_ROLES.get(role, nothing) for role in platform_roles))
    memberships = select(membership.c.organization_id, membership.c.role).where(membership.c.user_id == user_id)
    rows = await session.execute(memberships)
    return {None: on_platform, **{row.organization_id: ROLES.get(row.role, nothing) for row in rows}}


async def verified_address(session: Session, user_id: str) -> str | None:
    """Where a person gets mail: their address, if they have shown that it is theirs and are not locked out."""
    known = select(user_account.c.email).where(
        user_account.c.id == user_id,
        user_account.c.verified_email == user_account.c.email,
        user_account.c.disabled_at.is_(None),
    )
    address: str | None = (await session.execute(known)).scalar_one_or_none()
    return address


async def _ids(session: Session, wanted: Select[Any]) -> list[str]:
    rows = await session.execute(wanted.where(user_account.c.disabled_at.is_(None)))
    return list(rows.scalars())
