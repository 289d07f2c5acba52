"""The one table of who may do what, and the routes that ask it."""

import pytest
from fastapi import FastAPI

from sublet.core.actors import Permission
from sublet.identity.api import router
from sublet.identity.permissions import (
    CONNECTING_ROLES,
    EVERYBODY,
    PLATFORM_ROLES,
    ROLES,
    held_by,
    held_by_token,
)

MATRIX = """
                         nobody   owner    admin    billing  member   │  fleet    finance  support  admin
account:read             yes      yes      yes      yes      yes      │  yes      yes      yes      yes
account:manage           yes      yes      yes      yes      yes      │  yes      yes      yes      yes
organization:read        no       yes      yes      yes      yes      │  no       no       no       no
token:manage             no       yes      yes      yes      yes      │  yes      yes      yes      yes
catalog:read             no       yes      yes      yes      yes      │  yes      yes      yes      yes
allocation:read          no       yes      yes      yes      yes      │  no       no       no       no
allocation:launch        no       yes      yes      no       yes      │  no       no       no       no
allocation:manage        no       yes      yes      no       yes      │  no       no       no       no
allocation:connect       no       yes      yes      no       yes      │  no       no       no       no
wallet:read              no       yes      yes      yes      yes      │  no       no       no       no
wallet:top_up            no       yes      yes      yes      no       │  no       no       no       no
wallet:request_refund    no       yes      yes      yes      no       │  no       no       no       no
card:manage              no       yes      yes      yes      no       │  no       no       no       no
auto_top_up:manage       no       yes      yes      yes      no       │  no       no       no       no
spending_limit:manage    no       yes      yes      yes      no       │  no       no       no       no
events:read              no       yes      yes      yes      yes      │  yes      yes      yes      yes
notice:read              yes      yes      yes      yes      yes      │  yes      yes      yes      yes
admin.node:read          no       no       no       no       no       │  yes      no       yes      yes
admin.node:manage        no       no       no       no       no       │  yes      no       no       yes
admin.catalog:read       no       no       no       no       no       │  yes      yes      yes      yes
admin.catalog:manage     no       no       no       no       no       │  no       yes      no       yes
admin.allocation:read    no       no       no       no       no       │  yes      yes      yes      yes
admin.organization:read  no       no       no       no       no       │  yes      yes      yes      yes
admin.audit:read         no       no       no       no       no       │  no       yes      yes      yes
admin.reconcile:run      no       no       no       no       no       │  no       yes      no       yes
admin.finding:read       no       no       no       no       no       │  yes      yes      yes      yes
admin.finding:resolve    no       no       no       no       no       │  no       yes      no       yes
admin.approval:read      no       no       no       no       no       │  yes      yes      yes      yes
admin.approval:decide    no       no       no       no       no       │  yes      yes      no       yes
admin.refund:read        no       no       no       no       no       │  yes      yes      yes      yes
admin.refund:create      no       no       no       no       no       │  no       yes      no       yes
admin.adjustment:create  no       no       no       no       no       │  no       yes      no       yes
admin.credit:read        no       no       no       no       no       │  yes      yes      yes      yes
admin.credit:grant       no       no       no       no       no       │  no       yes      no       yes
admin.dispute:read       no       no       no       no       no       │  yes      yes      yes      yes
admin.payout:read        no       no       no       no       no       │  no       yes      no       yes
admin.dispute:answer     no       no       no       no       no       │  no       yes      no       yes
admin.report:read        no       no       no       no       no       │  no       yes      no       yes
admin.month:close        no       no       no       no       no       │  no       yes      no       yes
admin.event:read         no       no       no       no       no       │  yes      yes      yes      yes
admin.event:replay       no       no       no       no       no       │  no       yes      no       yes
admin.work:read          no       no       no       no       no       │  yes      yes      yes      yes
admin.work:retry         no       no       no       no       no       │  yes      yes      no       yes
"""
"""Who holds what, written out: somebody without a role, the members of an organization, │ the platform's operators.

This is held against the table of roles word by word, so that nobody is given anything by the way.
"""

OPEN_ROUTES = {
    ("/api/v1/auth/terms", "get"),
    ("/api/v1/auth/signup", "post"),
    ("/api/v1/auth/login", "post"),
    ("/api/v1/auth/logout", "post"),
}


def matrix() -> dict[str, dict[str, bool]]:
    """Role → permission → whether it is held. A platform role is written `platform ROLE`; `nobody` has no role."""
    heading, *lines = MATRIX.strip().splitlines()
    assert heading.replace("│", " ").split() == ["nobody", *ROLES, *PLATFORM_ROLES]
    names = ["nobody", *ROLES, *(f"platform {role}" for role in PLATFORM_ROLES)]
    found: dict[str, dict[str, bool]] = {name: {} for name in names}
    for line in lines:
        permission, *answers = line.replace("│", " ").split()
        for name, answer in zip(names, answers, strict=True):
            found[name][permission] = {"yes": True, "no": False}[answer]
    return found


class TestTable:
    @pytest.mark.parametrize("role", matrix())
    def test_gives_each_role_what_the_matrix_says_and_no_more(self, role: str) -> None:
        platform = role.removeprefix("platform ")
        held = held_by(None, frozenset({platform})) if platform != role else held_by(role, frozenset())
        written = matrix()[role]
        assert {permission.value: permission in held for permission in Permission} == written

    def test_gives_every_permission_to_somebody(self) -> None:
        held = frozenset[Permission]().union(*ROLES.values(), *PLATFORM_ROLES.values())
        assert set(Permission) - held == set()

    def test_gives_owners_all_that_belongs_to_customers(self) -> None:
        assert ROLES["owner"] == {permission for permission in Permission if not permission.is_platform}

    def test_gives_operators_all_of_the_platform_and_nothing_of_customers_money(self) -> None:
        everything = frozenset[Permission]().union(*PLATFORM_ROLES.values())
        assert {permission for permission in Permission if permission.is_platform} <= everything
        assert not everything & {Permission.WALLET_TOP_UP, Permission.ALLOCATION_LAUNCH, Permission.ALLOCATION_CONNECT}
        assert PLATFORM_ROLES["admin"] == everything

    @pytest.mark.parametrize("role", ROLES)
    def test_gives_members_nothing_of_the_platform(self, role: str) -> None:
        assert not [permission for permission in ROLES[role] if permission.is_platform]

    def test_gives_nothing_for_roles_that_do_not_exist(self) -> None:
        assert held_by("no such role", frozenset({"no such role", "owner"})) == EVERYBODY

    def test_adds_what_several_roles_give(self) -> None:
        together = held_by("member", frozenset({"fleet", "finance"}))
        assert together == ROLES["member"] | PLATFORM_ROLES["fleet"] | PLATFORM_ROLES["finance"]

    def test_opens_allocations_with_the_keys_of_who_may_connect(self) -> None:
        assert set(CONNECTING_ROLES) == {"owner", "admin", "member"}

    def test_lets_a_token_do_what_both_its_scopes_and_its_maker_may(self) -> None:
        scopes = frozenset({"wallet:read", "admin.node:read"})
        always, read, nodes = Permission.ACCOUNT_READ, Permission.WALLET_READ, Permission.ADMIN_NODE_READ
        assert held_by_token("member", frozenset(), scopes) == {always, read}
        assert held_by_token(None, frozenset({"fleet"}), scopes) == {always, nodes}
        assert held_by_token("member", frozenset({"fleet"}), scopes) == {always, read, nodes}


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
