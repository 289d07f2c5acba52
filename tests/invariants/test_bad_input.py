"""Whatever is sent, the answer is what the OpenAPI document says, and every refusal is a problem with a code.

`SUBLET_TEST_SEED` repeats a run; the seed stands in every failure.
"""

import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from sublet.core.errors import NotFound, SubletError
from sublet.core.pages import encode_cursor
from sublet.identity.permissions import PLATFORM_ROLES, ROLES
from tests.identity.public_keys import ed25519_line
from tests.invariants.operations import Operation, operations_of
from tests.invariants.people import Business, token_of, tomorrow
from tests.invariants.schema_run import PHASES, Outcome, broken_promise, run

pytestmark = pytest.mark.anyio

SEED = int(os.environ.get("SUBLET_TEST_SEED", "20260"))
PLATFORM = frozenset().union(*PLATFORM_ROLES.values()) - ROLES["owner"]
ONE_BY_ONE = tuple(phase for phase in PHASES if phase != "stateful")


def examples_of(business: Business) -> dict[str, dict[str, Any]]:
    """Values that random text never hits, by schema and property."""
    return {
        "Launch": {"offer_id": business.rental.sku.id},
        "CertificateRequest": {"public_key": ed25519_line()},
        "SshKeyCreate": {"public_key": ed25519_line()},
        "ApiTokenCreate": {"scopes": ["wallet:read"], "expires_at": tomorrow()},
        "PriceCreate": {"sku_id": business.rental.sku.id},
        "TopUpRequest": {"amount": "20.00", "currency": "USD"},
    }


async def with_token(business: Business, client: httpx.AsyncClient, permissions: frozenset[Any], **how: Any) -> Outcome:
    """A run as a program with a token of this person; the token itself is spared."""
    token = await token_of(client, [permission.value for permission in permissions])
    return await _run(
        business,
        headers={"Authorization": f"Bearer {token['token']}"},
        permissions=[*(permission.value for permission in permissions), *how.pop("also", ())],
        spared={token["id"]},
        **how,
    )


async def _run(business: Business, **how: Any) -> Outcome:
    chosen = {"seed": SEED, "examples": examples_of(business), **how}
    return await anyio.to_thread.run_sync(partial(run, business.web.url, **chosen))


def told(outcome: Outcome) -> str:
    """What went wrong, and how to see it again."""
    return f"SUBLET_TEST_SEED={outcome.seed}\n" + "\n".join(outcome.failures)


def unreached(outcome: Outcome, wanted: set[str]) -> set[str]:
    """Which methods and paths no sequence came to, nor to anything below them, by an id that an answer gave.

    Which of the operations below comes up is the seed's choice, and another with every change of the document.
    """
    return {item for item in wanted if not any(f"{label}/".startswith(f"{item}/") for label in outcome.linked)}


def _methods_at(document: dict[str, Any], path: str) -> set[str]:
    """What may be asked at a path: of its own, and of a path with a parameter that it is a value of."""
    others = {other: re.sub(r"\\{\w+\\}", "[^/]+", re.escape(other)) for other in document["paths"]}
    fitting = [document["paths"][other] for other, pattern in others.items() if re.fullmatch(pattern, path)]
    return set().union(*fitting) - {"parameters"}


class TestEveryAnswer:
    """One operation at a time: examples, the edges of every schema, and random input."""

    async def test_to_a_customers_program_is_as_documented(self, business: Business) -> None:
        outcome = await with_token(business, business.owner, ROLES["owner"], also=["public"], phases=ONE_BY_ONE)
        assert not outcome.failures, told(outcome)
        assert outcome.phases["coverage"] > 500, outcome.phases
        assert outcome.phases["fuzzing"] > 50, outcome.phases

    async def test_to_an_operators_program_is_as_documented(self, business: Business) -> None:
        outcome = await with_token(business, await business.web.operator(), PLATFORM, phases=ONE_BY_ONE)
        assert not outcome.failures, told(outcome)
        asked = {item.label for item in operations_of(business.web.app.openapi()) if item.permission in PLATFORM}
        assert outcome.answers.keys() == asked


class TestEverySequence:
    """Operations after each other: ids that one answer gave are used in the next request."""

    @pytest.mark.parametrize(
        ("area", "reached"),
        [
            ("allocation:", {"GET /api/v1/allocations/{id_or_name}", "POST /api/v1/allocations/{id_or_name}"}),
            ("organization:", {"GET /api/v1/organizations/{organization_id}"}),
        ],
    )
    async def test_of_a_customers_program_is_as_documented(
        self, business: Business, area: str, reached: set[str]
    ) -> None:
        held = frozenset(item for item in ROLES["owner"] if item.value.startswith(area))
        outcome = await with_token(business, business.owner, held, phases=["stateful"])
        assert not outcome.failures, told(outcome)
        assert not unreached(outcome, reached), (outcome.seed, outcome.linked)

    async def test_in_a_customers_browser_is_as_documented(self, business: Business) -> None:
        cookie = "; ".join(f"{name}={value}" for name, value in business.owner.cookies.items())
        outcome = await _run(
            business,
            headers={"Cookie": cookie, "Origin": business.web.url},
            permissions=["token:manage", "account:read", "account:manage"],
            spared={business.ids["session_id"]},
            phases=["stateful"],
        )
        assert not outcome.failures, told(outcome)
        reached = {"DELETE /api/v1/api-tokens/{token_id}", "DELETE /api/v1/ssh-keys/{key_id}"}
        assert not unreached(outcome, reached), (outcome.seed, outcome.linked)

    @pytest.mark.parametrize(
        ("area", "reached"),
        [
            ("admin.node:", {"GET /api/v1/admin/nodes/{node_id}"}),
            ("admin.catalog:", {"PATCH /api/v1/admin/skus/{sku_id}"}),
        ],
    )
    async def test_of_an_operators_program_is_as_documented(
        self, business: Business, area: str, reached: set[str]
    ) -> None:
        held = frozenset(item for item in PLATFORM if item.value.startswith(area))
        outcome = await with_token(business, await business.web.operator(), held, phases=["stateful"])
        assert not outcome.failures, told(outcome)
        assert not unreached(outcome, reached), (outcome.seed, outcome.linked)


ODD = (
    "%00",
    "%ED%A0%80",  # half a surrogate pair
    "%FF%FE",
    "%2E%2E%2F%2E%2E%2Fetc",
    "%F0%9F%92%A9",
    "%E2%80%AE",
    "'%20OR%201=1--",
    "a" * 5000,
    "9" * 400,
)
BROKEN_BODIES = (
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"a": NaN}',
    b'{"\\ud800": "\\ud800"}',
    b'{"name": "\\u0000", "email": "\\u0000@b.example", "password": "\\u0000", "code": "\\ud800"}',
    b"[" * 100_000 + b"]" * 100_000,
    b'{"name": ' + b"9" * 6_000 + b"}",
    b'{"port": 1e400, "vcpu": -1e400, "amount": "1e400"}',
)
CURSORS = (
    "x",
    "\x00",
    "é",
    "=" * 400,
    encode_cursor([]),
    encode_cursor([None]),
    encode_cursor([True]),
    encode_cursor(["\x00"]),
    encode_cursor(["\ud800"]),
    encode_cursor([10**300]),
    encode_cursor([-1, 10**40, 1]),
    encode_cursor([[[[]]]]),
    "W1tb" * 120,
)


@dataclass
class Watch:
    """Keeps what was answered otherwise than promised."""

    found: list[str]

    def see(self, what: str, answer: httpx.Response, *, refused: bool = True) -> None:
        """Look at one answer; a refusal is expected unless said."""
        kind = answer.headers.get("content-type", "").partition(";")[0]
        broken = broken_promise(answer.status_code, kind, answer.content, answer.headers.get("x-request-id"))
        if broken is not None or (refused and answer.status_code < 400):
            self.found.append(f"{what[:150]}: {broken or answer.status_code}")


def everything_else(operation: Operation, odd: str) -> dict[str, str]:
    """The odd text for every id of the path."""
    return dict.fromkeys(operation.parameters, odd)


class TestWhatIsNoInputAtAll:
    async def test_is_refused_with_a_problem_on_every_operation(self, business: Business) -> None:
        watch, operator = Watch([]), await business.web.operator()
        for operation in operations_of(business.web.app.openapi()):
            client = operator if operation.permission.startswith("admin.") else business.owner
            for odd in ODD if operation.parameters else ():
                answer = await operation.ask(client, everything_else(operation, odd))
                watch.see(f"{operation.label} with {odd}", answer)
            if operation.takes_body:
                for body in BROKEN_BODIES:
                    headers = {"Content-Type": "application/json"}
                    answer = await operation.ask(client, business.ids, content=body, headers=headers)
                    # Where all may be left out, an object with names that we do not know is refused all the same.
                    watch.see(f"{operation.label} with {body[:60]!r}", answer)
                for kind in ("text/plain", "application/xml", "multipart/form-data", "nonsense", "application/jsonx"):
                    headers = {"Content-Type": kind}
                    answer = await operation.ask(client, business.ids, content=b"{}", headers=headers)
                    watch.see(f"{operation.label} as {kind}", answer)
        assert watch.found == []

    async def test_is_refused_as_a_cursor_on_every_list(self, business: Business) -> None:
        watch, operator = Watch([]), await business.web.operator()
        document = business.web.app.openapi()
        lists = 0
        for operation in operations_of(document):
            known = {item["name"] for item in document["paths"][operation.path][operation.method].get("parameters", [])}
            client = operator if operation.permission.startswith("admin.") else business.owner
            for name in {"cursor", "after"} & known:
                lists += 1
                for cursor in CURSORS:
                    answer = await operation.ask(client, business.ids, params={name: cursor})
                    # A number beyond all rows is a place like any other: behind the end.
                    watch.see(f"{operation.label}?{name}={cursor!r}", answer, refused=False)
                    if cursor in CURSORS[:7] and answer.status_code != 422:
                        watch.found.append(f"{operation.label}?{name}={cursor!r}: {answer.status_code}")
        assert lists > 14
        assert watch.found == []

    async def test_is_refused_as_a_method_and_the_others_are_named(self, business: Business) -> None:
        watch, document = Watch([]), business.web.app.openapi()
        for path in document["paths"]:
            methods = _methods_at(document, path)
            for method in ("PUT", "PATCH", "DELETE", "POST", "GET", "TRACE", "OPTIONS", "PROPFIND"):
                if method.lower() not in methods:
                    answer = await business.owner.request(method, path.format_map(business.ids))
                    watch.see(f"{method} {path}", answer)
                    allowed = set(answer.headers.get("allow", "").lower().split(", "))
                    if answer.status_code != 405 or allowed != methods:
                        watch.found.append(f"{method} {path}: {answer.status_code}, Allow: {allowed}")
        assert watch.found == []

    async def test_is_refused_when_it_is_too_much_announced_or_not(self, business: Business) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 65_536

        for operation in operations_of(business.web.app.openapi()):
            if operation.takes_body or operation.path.endswith("/webhook"):
                for content in (b" " * 1_048_577, pieces()):
                    headers = {"Content-Type": "application/json"}
                    answer = await operation.ask(business.owner, business.ids, content=content, headers=headers)
                    told = (operation.label, answer.status_code, answer.text)
                    is_denied = answer.status_code == 403 and operation.permission.startswith("admin.")
                    assert answer.status_code == 413 or is_denied, told

    async def test_is_answered_by_the_console_without_failing(self, business: Business) -> None:
        watch = Watch([])
        for odd in (*ODD, "a/" * 3000, "assets/%00", "assets/" + "a" * 300, "api/v1/%00", "..%2f..%2fetc/passwd"):
            watch.see(f"/{odd}", await business.owner.get(f"/{odd}"), refused=False)
        answer = await business.owner.get("/..%2f..%2fpyproject.toml")
        assert "sublet" not in answer.text or answer.headers["content-type"].startswith("text/html")
        assert watch.found == []

    async def test_leaves_the_server_able_to_answer(self, business: Business) -> None:
        port = int(business.web.url.rpartition(":")[2])
        for noise in (
            b"\x16\x03\x01\x00",
            b"GET\r\n\r\n",
            b"FOO / HTTP/9\r\n\r\n",
            b"GET / HTTP/1.1\r\nA\x00: b\r\n\r\n",
        ):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(noise)
                with anyio.fail_after(10):
                    assert (await stream.receive()).startswith(b"HTTP/1.1 400")
        assert (await business.owner.get("/api/v1/me")).status_code == 200


class Thing(BaseModel):
    """What the planted application makes."""

    id: str


def planted() -> FastAPI:
    """An application that breaks each promise once."""
    router = APIRouter()
    problem: dict[int | str, dict[str, Any]] = {"4XX": {"content": {"application/problem+json": {}}}}

    def add(method: str, path: str, endpoint: Any) -> None:
        router.add_api_route(
            path, endpoint, methods=[method], responses=problem, openapi_extra={"x-permission": "public"}
        )

    async def crashes(number: int) -> None:
        raise SubletError(f"planted {number}")

    async def plain(number: int) -> JSONResponse:
        return JSONResponse({"detail": str(number)}, 404)

    async def nameless(number: int) -> JSONResponse:
        return JSONResponse({"status": 409, "title": str(number)}, 409, media_type="application/problem+json")

    async def made() -> Thing:
        return Thing(id="thing_1")

    async def read(thing_id: str) -> Thing:
        if thing_id == "thing_1":
            raise SubletError("only reached with an id that was made")
        raise NotFound("thing", thing_id)

    add("GET", "/crashes", crashes)
    add("GET", "/plain", plain)
    add("GET", "/nameless", nameless)
    add("POST", "/things", made)
    add("GET", "/things/{thing_id}", read)
    app = FastAPI()
    app.include_router(router)
    return app


class TestTheRun:
    """Planted violations."""

    @pytest.mark.parametrize(
        ("status", "kind", "body"),
        [
            (500, "application/problem+json", {}),
            (503, "application/problem+json", {"code": "unavailable"}),
            (404, "application/json", {}),
            (422, "application/problem+json", {"code": None}),
            (422, "application/problem+json", {"request_id": "req_other"}),
            (422, "application/problem+json", {"status": 400}),
        ],
    )
    def test_catches_what_is_no_problem_as_promised(self, status: int, kind: str, body: dict[str, Any]) -> None:
        good = {"type": "x", "title": "x", "detail": "x", "code": "x", "status": status, "request_id": "req_1"}
        assert (
            broken_promise(422, "application/problem+json", json.dumps({**good, "status": 422}).encode(), "req_1")
            is None
        )
        assert broken_promise(status, kind, json.dumps({**good, **body}).encode(), "req_1")

    async def test_catches_a_crash_a_plain_refusal_and_a_nameless_problem(self, business: Business) -> None:
        self._plant(business)
        outcome = await self._look(business, ["fuzzing"])
        for path in ("/crashes", "/plain", "/nameless"):
            assert any(path in failure for failure in outcome.failures), (path, outcome.failures)

    async def test_catches_what_only_a_made_id_reaches(self, business: Business) -> None:
        self._plant(business)
        outcome = await self._look(business, ["stateful"])
        assert any("/things/{thing_id}" in failure and "500" in failure for failure in outcome.failures), told(outcome)

    def _plant(self, business: Business) -> None:
        business.web.app.include_router(planted().router)
        business.web.app.openapi_schema = None

    async def _look(self, business: Business, phases: Any) -> Outcome:
        business.web.app.openapi()["paths"] = {
            path: methods for path, methods in business.web.app.openapi()["paths"].items() if "/api/" not in path
        }
        return await _run(business, headers={}, permissions=["public"], phases=phases, max_examples=3)
