"""What an operator may do at this moment, for who was told earlier what they may."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

from sqlalchemy import Text, false, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY

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


def _sets_of_roles(permissions: Collection[Permission]) -> list[frozenset[str]]:
    """Each set of platform roles that together hold all of these, and from which none could be left out."""
    found: list[frozenset[str]] = []
    for count in range(1, len(PLATFORM_ROLES) + 1):
        for roles in map(frozenset, combinations(PLATFORM_ROLES, count)):
            if held_by(None, roles).issuperset(permissions) and not any(roles > fewer for fewer in found):
                found.append(roles)
    return found


async def who_may(
    session: Session, permissions: Collection[Permission], *, after: str | None, limit: int
) -> list[Operator]:
    """Up to `limit` operators with ids after one who are not disabled and may do all of these, by their ids.

    What one role lacks another of the same person may give, as in `may_now`.
    """
    column = user_account.c
    held = type_coerce(column.platform_roles, ARRAY(Text))
    holds = [held.contains(sorted(roles)) for roles in _sets_of_roles(permissions)]
    found = select(column.id, column.name).where(or_(false(), *holds), column.disabled_at.is_(None))
    if after is not None:
        found = found.where(column.id > after)
    rows = await session.execute(found.order_by(column.id).limit(limit))
    return [Operator(row.id, row.name) for row in rows]


async def name_of(session: Session, user_id: str, permissions: Collection[Permission]) -> str | None:
    """What an operator is called who may do all of these now; None for anybody else."""
    if not await may_now(session, user_id, permissions):
        return None
    name: str = (await session.execute(select(user_account.c.name).where(user_account.c.id == user_id))).scalar_one()
    return name
