"""Every operation × everybody: denied unless the table of permissions says otherwise, and nothing changed then.

The operations come from the application's own OpenAPI document and the expectations from their `x-permission`; a route
that this does not reach fails here.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import asyncssh
import httpx
import pytest
import structlog.testing
from fastapi import FastAPI

from sublet.core.actors import Permission
from sublet.core.errors import NotAuthenticated
from sublet.entry.web import EXEMPT_FROM_BROWSER_RULES
from sublet.fleet.api import AUTHORITY
from sublet.identity.permissions import PLATFORM_ROLES, ROLES
from tests.identity.public_keys import ed25519_line
from tests.invariants.operations import Operation, contents, everything, operations_of, undocumented
from tests.invariants.people import NOBODY, STRANGER, Business, Person, token_of
from tests.support.app import PASSWORD, Web

pytestmark = pytest.mark.anyio

PUBLIC = "public"
SHARED = frozenset(
    {
        *("node_id", "sku_id", "gpu_uuid", "event_id", "approval_id", "finding_id", "payment_event_id"),
        *("kind", "work_id", "rollout_id", "refund_id", "request_id", "dispute_id", "month", "promo_code_id"),
        "payout_id",
    }
)
"""Ids of the platform's own things: the permission alone decides."""
THEIR_OWN = frozenset({"key_id", "token_id", "session_id", "notice_id"})
"""Ids of a person's things: not even the organization's other members see them."""
OF_THE_ORGANIZATION = frozenset(
    {
        *("id_or_name", "organization_id", "top_up_id", "port_id", "card_id", "card_setup_id", "refund_request_id"),
        "limit_id",
        "charge_id",
    }
)
MISSING = dict.fromkeys(SHARED | THEIR_OWN | OF_THE_ORGANIZATION, "missing")

NOT_IN_OPENAPI = frozenset(
    {
        "/openapi.json",
        "/asyncapi.json",
        "/livez",
        "/readyz",
        "/metrics",
        "/node/sublet-node.pyz",
        "WS /api/v1/events",
        "WS /api/v1/allocations/{allocation_id}/terminal",
    }
)
"""What is served beside the API; the two sockets have tests of their own for who may open them."""

EVIL = "https://evil.example"


def verdict(operation: Operation, person: Person, *, is_foreign: bool) -> tuple[int, str] | None:
    """The status and code with which this must be refused, or None if it must not be refused for who asks."""
    if operation.permission == PUBLIC:
        return None
    if person.name == NOBODY:
        return 401, "not_authenticated"
    if Permission(operation.permission) not in person.holds:
        return 403, "permission_denied"
    if operation.second_factor:
        return 403, "second_factor_required"
    if operation.fresh and person.by_token:
        return 403, "fresh_sign_in_required"
    return (404, "not_found") if is_foreign else None


def is_foreign(operation: Operation, person: Person) -> bool:
    """Whether the thing in the path belongs to somebody else than who asks."""
    same_person = person.name == "member: owner" or person.name.startswith("owner's token")
    same_organization = same_person or person.name.startswith("member: ")
    return bool(THEIR_OWN & set(operation.parameters) and not same_person) or bool(
        OF_THE_ORGANIZATION & set(operation.parameters) and not same_organization
    )


def wrong(operation: Operation, person: Person, answer: httpx.Response, *, foreign: bool) -> str | None:
    """Why the answer is not the one that the table of permissions wants, or None."""
    told = answer.json() if answer.headers.get("content-type", "").startswith("application/") else {}
    code = told.get("code") if isinstance(told, dict) else None
    expected = verdict(operation, person, is_foreign=foreign)
    if expected is None:
        is_wrong = answer.status_code == 401 and operation.permission != PUBLIC
        is_wrong = is_wrong or code == "permission_denied" or answer.status_code >= 500
    else:
        is_wrong = (answer.status_code, code) != expected
    return f"{person.name}: {operation.label}: {answer.status_code} {code}, not {expected}" if is_wrong else None


async def asked(
    person: Person, operations: list[Operation], ids: Mapping[str, str], foreign: Callable[[Operation], bool]
) -> list[str]:
    """The answers to one person, asking for all at once, that are not as the table of permissions wants."""
    answers = await asyncio.gather(*(operation.ask(person.client, ids) for operation in operations))
    pairs = zip(operations, answers, strict=True)
    return [told for item, answer in pairs if (told := wrong(item, person, answer, foreign=foreign(item)))]


async def sweep(business: Business, operations: list[Operation]) -> list[str]:
    """Everybody asks for everything; returns what was not answered as the table of permissions wants."""
    found: list[str] = []
    for person in business.people:

        def foreign(operation: Operation, person: Person = person) -> bool:
            return is_foreign(operation, person)

        may_change = [
            item for item in operations if not item.is_safe and verdict(item, person, is_foreign=foreign(item)) is None
        ]
        before = await contents(business.web.database)
        found += await asked(person, [item for item in operations if item not in may_change], business.ids, foreign)
        after = await contents(business.web.database)
        found += [f"{person.name}: changed {table}" for table, print_ in after.items() if print_ != before[table]]
        # On things that are not there: what is asked is only who may try.
        found += await asked(person, may_change, MISSING, lambda _: False)
    return found


class TestEveryOperation:
    def test_is_reached_by_the_sweep(self, openapi: dict[str, Any]) -> None:
        operations = operations_of(openapi)
        assert len(operations) > 45
        named = {name for operation in operations for name in operation.parameters}
        assert named == SHARED | THEIR_OWN | OF_THE_ORGANIZATION, "say whose a new kind of id is"
        permissions = {operation.permission for operation in operations} - {PUBLIC}
        held = {permission.value for role in (*ROLES.values(), *PLATFORM_ROLES.values()) for permission in role}
        assert permissions <= held, "a permission that nobody holds"

    async def test_has_no_neighbour_that_openapi_does_not_tell_of(self, web: Web) -> None:
        assert undocumented(web.app) == NOT_IN_OPENAPI

    def test_is_public_only_where_nobody_can_be_signed_in(self, openapi: dict[str, Any]) -> None:
        assert {operation.label for operation in operations_of(openapi) if operation.permission == PUBLIC} == {
            "GET /api/v1/auth/terms",
            "POST /api/v1/auth/signup",
            "POST /api/v1/auth/login",
            "POST /api/v1/auth/logout",
            "POST /api/v1/nodes/enrol",
            "POST /api/v1/nodes/enrol/preview",
            "POST /api/v1/nodes/leave",
            "POST /api/v1/payments/stripe/webhook",
            "GET /api/v1/top-ups/{top_up_id}/return",
        }

    def test_asks_how_somebody_signed_in_where_it_is_listed(self, openapi: dict[str, Any]) -> None:
        operations = operations_of(openapi)
        assert {operation.label for operation in operations if operation.fresh} == {
            "POST /api/v1/admin/approvals/{approval_id}/approve"
        }
        assert {operation.label for operation in operations if operation.second_factor} == set()
        assert {operation.label for operation in operations if operation.pays_in} == {
            "POST /api/v1/top-ups",
            "POST /api/v1/top-ups/{top_up_id}/confirm",
            "POST /api/v1/payment-methods",
            "PATCH /api/v1/auto-top-up",
        }

    async def test_is_denied_unless_the_table_of_permissions_lists_it(self, business: Business) -> None:
        await business.invite_everybody()
        assert len(business.people) > 25
        operations = operations_of(business.web.app.openapi())
        assert await sweep(business, [item for item in operations if item.label != "POST /api/v1/auth/logout"]) == []

    async def test_gives_what_is_there_to_those_who_may(self, business: Business) -> None:
        operator = await business.web.operator()
        answers = {}
        for operation in operations_of(business.web.app.openapi()):
            if operation.is_safe and operation.permission != PUBLIC:
                client = operator if operation.permission.startswith("admin.") else business.owner
                answers[operation.label] = (await operation.ask(client, business.ids)).status_code
        assert {label: status for label, status in answers.items() if status != 200} == {}

    async def test_replays_nothing_to_who_may_not_ask_any_more(self, business: Business) -> None:
        body, key = {"name": "second", "public_key": ed25519_line()}, {"Idempotency-Key": "replayed"}
        assert (await business.owner.post("/api/v1/ssh-keys", json=body, headers=key)).status_code == 201
        made = await token_of(business.owner, ["wallet:read"])
        answer = await business.web.client(made["token"]).post("/api/v1/ssh-keys", json=body, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


class TestTheSweep:
    """Planted violations."""

    async def test_catches_an_operation_that_asks_for_less_than_it_says(self, business: Business) -> None:
        owner = Person(STRANGER, ROLES["owner"], await business.web.customer())
        business.people = [Person(NOBODY, frozenset(), business.web.client()), owner]
        offers = Operation("get", "/api/v1/offers", Permission.ADMIN_NODE_READ.value, (), False, False)
        [found] = await sweep(business, [offers])
        assert found.startswith(STRANGER)

    async def test_catches_another_tenants_thing_that_is_shown(self, business: Business) -> None:
        business.people = [Person(STRANGER, ROLES["owner"], business.owner)]
        shown = [
            item
            for item in operations_of(business.web.app.openapi())
            if item.label == "GET /api/v1/allocations/{id_or_name}"
        ]
        [found] = await sweep(business, shown)
        assert "200 None, not (404, 'not_found')" in found

    async def test_catches_a_refusal_that_changes_something(self, business: Business) -> None:
        async def planted() -> None:
            await business.rental.run("INSERT INTO outbox_cursor (subscriber, xid, id) VALUES ('leak', '1', 1)")
            raise NotAuthenticated("Too late.")

        business.web.app.add_api_route("/api/v1/planted", planted)
        business.people = [Person(NOBODY, frozenset(), business.web.client())]
        found = await sweep(business, [Operation("get", "/api/v1/planted", "account:read", (), False, False)])
        assert found == [f"{NOBODY}: changed public.outbox_cursor"]

    def test_catches_routes_that_openapi_does_not_tell_of(self) -> None:
        app = FastAPI()
        app.add_api_route("/hidden", lambda: None, include_in_schema=False)
        assert "/hidden" in undocumented(app)

    def test_catches_an_operation_without_a_permission(self) -> None:
        with pytest.raises(KeyError):
            operations_of({"paths": {"/open": {"get": {}}}})


FOREIGN: tuple[Mapping[str, str], ...] = (
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {},  # a browser sends one of the two with every unsafe request, so that a cookie with neither is suspicious
)


class TestAnotherSite:
    async def test_can_make_a_browser_do_nothing(self, business: Business) -> None:
        operator = await business.web.operator()
        unsafe = [item for item in operations_of(business.web.app.openapi()) if not item.is_safe]
        before = await contents(business.web.database)
        found = []
        for person in (business.owner, operator):
            cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
            async with httpx.AsyncClient(base_url=business.web.url, headers={"Cookie": cookie}) as browser:
                for operation in unsafe:
                    for headers in FOREIGN:
                        answer = await operation.ask(browser, business.ids, headers=headers)
                        if operation.path in EXEMPT_FROM_BROWSER_RULES:
                            ok = operation.permission == PUBLIC and 400 <= answer.status_code < 500
                        else:
                            ok = (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
                        if not ok:
                            found.append(f"{operation.label} {headers}: {answer.status_code} {answer.text}")
        assert len(unsafe) > 20
        assert found == []
        assert await contents(business.web.database) == before

    async def test_can_post_no_form(self, business: Business) -> None:
        found = []
        for operation in operations_of(business.web.app.openapi()):
            for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
                if not operation.is_safe and operation.path not in EXEMPT_FROM_BROWSER_RULES:
                    headers = {"Content-Type": kind}
                    answer = await operation.ask(business.owner, business.ids, content=b"a=b", headers=headers)
                    if answer.status_code != 415:
                        found.append(f"{operation.label} {kind}: {answer.status_code}")
        assert found == []

    async def test_would_be_let_in_by_a_route_beside_the_rule(self, business: Business) -> None:
        business.web.app.add_api_route("/api/v1/planted", lambda: None, methods=["POST"])
        ours = await business.owner.post("/api/v1/planted")
        theirs = await business.owner.post("/api/v1/planted", headers={"Origin": EVIL})
        assert (ours.status_code, theirs.status_code) == (200, 403)


CANARY = "canary-in-a-coal-mine-81"


def leaks(secrets: Mapping[str, str], sinks: Mapping[str, str]) -> list[str]:
    """Which secret is in which sink, as it is or as bytes show it."""
    return [
        f"{secret} in {sink}"
        for secret, value in secrets.items()
        for sink, content in sinks.items()
        if value in content or value.encode().hex() in content
    ]


class TestNoSecret:
    async def test_is_in_an_answer_a_log_an_event_a_job_or_any_row(
        self, business: Business, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.WARNING, "httpcore")  # the test's own client
        web, secrets, answers = business.web, dict(business.secrets), {}
        private = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
        secrets |= {"password": PASSWORD, "another password": CANARY, "private key": private.splitlines()[1]}
        with structlog.testing.capture_logs() as logs:
            operator = await web.operator()
            mistyped = {"email": "nobody@customer.example", "password": CANARY}
            answers["login"] = (await web.client().post("/api/v1/auth/login", json=mistyped)).text
            answers["signup"] = (
                await web.client().post("/api/v1/auth/signup", json={**mistyped, "name": CANARY[:0]})
            ).text
            for person, name in ((business.owner, "owner"), (operator, "operator")):
                secrets |= {f"session of the {name}": value for value in person.cookies.values()}
                key = {"name": "x", "public_key": private}
                answers[f"{name} private key"] = (await person.post("/api/v1/ssh-keys", json=key)).text
                certify = f"/api/v1/allocations/{business.ids['id_or_name']}/ssh-certificates"
                answers[f"{name} certificate"] = (
                    await person.post(certify, json={"public_key": ed25519_line()}, headers={"Idempotency-Key": "c"})
                ).text
            scopes = [permission.value for permission in (Permission.ACCOUNT_READ, Permission.TOKEN_MANAGE)]
            secrets["operator's token"] = (await token_of(operator, scopes))["token"]
            place = {"name": "south", "address": "192.0.2.7"}
            for repetition in range(2):
                added = await operator.post("/api/v1/admin/nodes", json=place, headers={"Idempotency-Key": "n"})
                assert added.status_code == 201, added.text
                secrets[f"join token, answer {repetition}"] = added.json()["join"]["token"]
            assert secrets["join token, answer 0"] == secrets["join token, answer 1"]
            renew = f"/api/v1/admin/nodes/{added.json()['node']['id']}/join-token"
            again = await operator.post(renew, headers={"Idempotency-Key": "again"})
            secrets["second join token"] = again.json()["token"]
            refused = {"join_token": secrets["join token, answer 0"], "host_public_key": "x"}
            answers["enrol"] = (await web.client().post("/api/v1/nodes/enrol", json=refused)).text
            for operation in operations_of(web.app.openapi()):
                for person, name in ((business.owner, "owner"), (operator, "operator")):
                    if operation.is_safe:
                        answers[f"{operation.label} to the {name}"] = (await operation.ask(person, business.ids)).text
            authority = web.parts[AUTHORITY]
            for signer in (await authority.user_signer(), await authority.host_signer()):
                private_lines = signer.key.export_private_key("openssh").decode().splitlines()
                secrets[type(signer).__name__] = private_lines[2]
        rows = await everything(web.database)
        assert "api_token.created" in rows["public.audit_event"]
        assert {"public.outbox_event", "public.work", "public.idempotency_key"} <= rows.keys()
        written = json.dumps(logs, default=str) + caplog.text + "".join(capfd.readouterr())
        assert leaks(secrets, {**answers, **rows, "log": written}) == []

    async def test_that_is_shown_once_is_shown_by_an_operation_that_says_so(self, openapi: dict[str, Any]) -> None:
        shown = {operation.label for operation in operations_of(openapi) if operation.shows_secret}
        assert shown == {
            "POST /api/v1/api-tokens",
            "POST /api/v1/admin/nodes",
            "POST /api/v1/admin/nodes/{node_id}/join-token",
        }

    async def test_would_go_unnoticed_in_a_row(self, business: Business) -> None:
        await business.rental.run(
            "INSERT INTO outbox_cursor (subscriber, xid, id) VALUES (:secret, '1', 1)", secret=f"<{CANARY}>"
        )
        rows = await everything(business.web.database)
        assert leaks({"password": CANARY}, rows) == ["password in public.outbox_cursor"]
        assert leaks({"password": CANARY}, {"bytes": f"\\x{CANARY.encode().hex()}"}) == ["password in bytes"]
