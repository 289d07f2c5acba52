"""The one table of who may do what, and the routes that ask it."""

import pytest
from fastapi import FastAPI

from sublet.core.access import Permission
from sublet.identity.api import router
from sublet.identity.permissions import PLATFORM_ROLES, ROLES, held_by, held_by_token

OPEN_ROUTES = {("/api/v1/auth/signup", "post"), ("/api/v1/auth/login", "post"), ("/api/v1/auth/logout", "post")}


def is_for_operators(permission: Permission) -> bool:
    return permission.value.startswith("admin.")


class TestTable:
    def test_gives_every_permission_to_somebody(self) -> None:
        held = frozenset[Permission]().union(*ROLES.values(), *PLATFORM_ROLES.values())
        assert set(Permission) - held == set()

    def test_gives_owners_all_that_belongs_to_customers(self) -> None:
        assert ROLES["owner"] == {permission for permission in Permission if not is_for_operators(permission)}

    def test_gives_operators_all_of_the_platform_and_nothing_of_customers_money(self) -> None:
        everything = frozenset[Permission]().union(*PLATFORM_ROLES.values())
        assert {permission for permission in Permission if is_for_operators(permission)} <= everything
        assert not everything & {Permission.WALLET_TOP_UP, Permission.ALLOCATION_LAUNCH, Permission.ALLOCATION_CONNECT}
        assert PLATFORM_ROLES["admin"] == everything

    @pytest.mark.parametrize("role", ROLES)
    def test_gives_members_nothing_of_the_platform(self, role: str) -> None:
        assert not [permission for permission in ROLES[role] if is_for_operators(permission)]

    @pytest.mark.parametrize(
        ("role", "permission", "held"),
        [
            ("billing", Permission.WALLET_TOP_UP, True),
            ("billing", Permission.ALLOCATION_LAUNCH, False),
            ("billing", Permission.ALLOCATION_CONNECT, False),
            ("member", Permission.ALLOCATION_LAUNCH, True),
            ("member", Permission.WALLET_TOP_UP, False),
            ("no such role", Permission.WALLET_READ, False),
            (None, Permission.ACCOUNT_MANAGE, True),
        ],
    )
    def test_separates_paying_from_using(self, role: str | None, permission: Permission, held: bool) -> None:
        assert (permission in held_by(role, frozenset())) is held

    def test_lets_a_token_do_what_both_its_scopes_and_its_maker_may(self) -> None:
        scopes = frozenset({"wallet:read", "admin.node:read"})
        assert held_by_token("member", frozenset(), scopes) == {Permission.ACCOUNT_READ, Permission.WALLET_READ}


class TestRoutes:
    def test_each_name_a_permission_of_the_table_or_are_open_on_purpose(self) -> None:
        app = FastAPI()
        app.include_router(router.api)
        asked = {
            (path, method): operation["x-permission"]
            for path, operations in app.openapi()["paths"].items()
            for method, operation in operations.items()
        }
        assert {route for route, permission in asked.items() if permission == "public"} == OPEN_ROUTES
        assert all(permission == "public" or Permission(permission) for permission in asked.values())
