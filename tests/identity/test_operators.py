"""Which operators may do something now, and which of them are listed for it."""

from collections.abc import Collection

import pytest

from sublet.core.actors import Permission
from sublet.core.db import Database
from sublet.identity import operators, users
from tests.support.app import PASSWORD

pytestmark = pytest.mark.anyio

NODES_AND_REPORTS = (Permission.ADMIN_NODE_MANAGE, Permission.ADMIN_REPORT_READ)


async def hired(database: Database, *roles: str) -> str:
    """An operator with these roles; their id."""
    async with database.transaction() as session:
        made = await users.create_operator(
            session,
            email=f"{'-'.join(roles)}@operator.example",
            password=PASSWORD,
            name=" and ".join(roles),
            platform_roles=frozenset(roles),
        )
    return made.user_id


async def listed(database: Database, permissions: Collection[Permission]) -> set[str]:
    async with database.reading() as session:
        return {one.name for one in await operators.who_may(session, permissions, after=None, limit=50)}


class TestWhoMay:
    async def test_is_whoever_may_now_by_one_role_or_by_several_together(self, database: Database) -> None:
        people = [("admin",), ("fleet",), ("finance",), ("finance", "fleet"), ("support", "fleet")]
        ids = {" and ".join(roles): await hired(database, *roles) for roles in people}
        assert await listed(database, NODES_AND_REPORTS) == {"admin", "finance and fleet"}
        async with database.transaction() as session:
            may = {name for name, one in ids.items() if await operators.may_now(session, one, NODES_AND_REPORTS)}
        assert may == {"admin", "finance and fleet"}

    async def test_of_what_no_role_gives_is_nobody(self, database: Database) -> None:
        await hired(database, "admin")
        assert await listed(database, (Permission.WALLET_TOP_UP,)) == set()
