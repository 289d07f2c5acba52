"""What an operator may do at this moment, for who was told earlier what they may."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select, text

from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.identity.models import user_account
from sublet.identity.permissions import PLATFORM_ROLES, held_by


async def may_now(session: Session, user_id: str, permissions: Collection[Permission]) -> bool:
    """Whether a user is not disabled and holds all of these by platform roles; it stays so until the session ends.

    It is what `approvals.request` and `consume` are given.
    """
    roles = (
        await session.execute(
            select(user_account.c.platform_roles)
            .where(user_account.c.id == user_id, user_account.c.disabled_at.is_(None))
            .with_for_update(read=True)
        )
    ).scalar_one_or_none()
    return roles is not None and held_by(None, frozenset(roles)).issuperset(permissions)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, by id and name."""

    id: str
    name: str


_WHO_MAY = text(
    """
    SELECT id, name FROM user_account
     WHERE platform_roles && CAST(:roles AS text[]) AND disabled_at IS NULL
       AND (CAST(:after AS text) IS NULL OR id > :after)
     ORDER BY id LIMIT :limit
    """
)


async def who_may(
    session: Session, permissions: Collection[Permission], *, after: str | None, limit: int
) -> list[Operator]:
    """Up to `limit` operators with ids after one who are not disabled and may do all of these, by their ids."""
    roles = [role for role, held in PLATFORM_ROLES.items() if held.issuperset(permissions)]
    found = await session.execute(_WHO_MAY, {"roles": roles, "after": after, "limit": limit})
    return [Operator(row.id, row.name) for row in found]


async def name_of(session: Session, user_id: str, permissions: Collection[Permission]) -> str | None:
    """What an operator is called who may do all of these now; None for anybody else."""
    if not await may_now(session, user_id, permissions):
        return None
    name: str = (await session.execute(select(user_account.c.name).where(user_account.c.id == user_id))).scalar_one()
    return name
