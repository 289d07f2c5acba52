"""What `/me` answers."""

from functools import lru_cache
from typing import Any

from sublet.core.access import Actor, Permission
from sublet.core.db import Database
from sublet.core.errors import NotAuthenticated, PermissionDenied
from sublet.core.reads import Read

_WHO = Read(
    """
    SELECT u.email, u.name, o.id, o.name, m.role
      FROM user_account u
      LEFT JOIN membership m ON m.user_id = u.id
      LEFT JOIN organization o ON o.id = m.organization_id
     WHERE u.id = :user_id
     ORDER BY m.seq
    """
)


@lru_cache(maxsize=4096)
def _values(permissions: frozenset[Permission]) -> list[str]:
    return sorted(permission.value for permission in permissions)


async def who(database: Database, actor: Actor) -> dict[str, Any]:
    """The caller as a person, where they act and what they may do, in the shape of `schemas.Me`.

    An API token sees its one organization only.
    """
    rows = await database.reads.rows(_WHO, {"user_id": actor.user_id})
    if not rows:
        raise NotAuthenticated("Nobody is signed in. Nothing was changed. Sign in, or send an API token.")
    theirs = [
        {"id": organization_id, "name": organization_name, "role": role}
        for _, _, organization_id, organization_name, role in rows
        if organization_id is not None
    ]
    if actor.kind == "token":
        theirs = [one for one in theirs if one["id"] == actor.organization_id]
    current = [one for one in theirs if one["id"] == actor.organization_id] or theirs
    if not current:
        raise PermissionDenied("You are not in any organization (any more). Ask an owner to let you in.")
    return {
        "user": {"id": actor.user_id, "email": rows[0][0], "name": rows[0][1]},
        "organization": current[0],
        "organizations": theirs,
        "platform_roles": sorted(actor.platform_roles),
        "permissions": _values(actor.permissions),
        "auth": "token" if actor.kind == "token" else "session",
    }
