"""What an operator may do at this moment, for who was told earlier what they may."""

from collections.abc import Collection

from sqlalchemy import select

from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.identity.models import user_account
from sublet.identity.permissions import held_by


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


async def name_of(session: Session, user_id: str, permissions: Collection[Permission]) -> str | None:
    """What an operator is called who may do all of these now; None for anybody else."""
    if not await may_now(session, user_id, permissions):
        return None
    name: str = (await session.execute(select(user_account.c.name).where(user_account.c.id == user_id))).scalar_one()
    return name
