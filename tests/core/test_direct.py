"""A direct route answers what FastAPI's own would: the same answers, refusals and documents, with less work."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Query, Request, Response
from starlette.requests import HTTPConnection
from starlette.routing import Match
from starlette.types import Scope

from sublet.core.access import Actor, Permission
from sublet.core.app import AUTHENTICATOR, DATABASE, App
from sublet.core.db import Database
from sublet.core.direct import DirectRoutes
from sublet.core.errors import Conflict
from sublet.core.http import ActorDep, DatabaseDep, SubletRouter
from sublet.core.json_bytes import JsonBytes
from sublet.core.pages import Page, PageQueryDep
from sublet.core.webapp import RequestContext, install_error_handlers

pytestmark = pytest.mark.anyio

READER = Actor(kind="user", user_id="usr_a", organization_id="org_a", permissions=frozenset({Permission.WALLET_READ}))
GUEST = Actor(kind="user", user_id="usr_b", organization_id="org_b")


async def authenticate(_database: Database, connection: HTTPConnection) -> Actor | None:
    return {"Bearer reader": READER, "Bearer guest": GUEST}.get(connection.headers.get("authorization", ""))


def build(database: Database, *, direct: bool) -> FastAPI:
    router = SubletRouter(prefix="/api/v1")

    @router.get("/who", permission=Permission.WALLET_READ, direct=True)
    async def who(actor: ActorDep, database: DatabaseDep) -> Response:
        assert database is not None
        return JsonBytes.of({"user": actor.user_id, "quote": 'na\u00efve "\u65e5"\n'})

    @router.get("/notes", permission=Permission.WALLET_READ, direct=True, response_model=Page[str])
    async def notes(
        request: Request,
        actor: ActorDep,
        page: PageQueryDep,
        *,
        tag: Annotated[list[str] | None, Query()] = None,
        reverse: bool = False,
    ) -> Response:
        if tag == ["taken"]:
            raise Conflict("No.")
        said = [actor.organization, str(page.limit), str(page.position(int)), str(tag), str(reverse), request.url.path]
        return JsonBytes.of({"items": said, "next_cursor": None})

    @router.post("/notes", permission=Permission.WALLET_READ)
    async def write() -> None: ...

    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(RequestContext)
    if direct:
        app.router.routes.append(DirectRoutes(router.direct))
    App().put(DATABASE, database).put(AUTHENTICATOR, authenticate).attach(app, [router.api])
    return app


@pytest.fixture
async def clients(database: Database) -> AsyncIterator[list[httpx.AsyncClient]]:
    """The application with and without its direct routes."""
    made = [
        httpx.AsyncClient(transport=httpx.ASGITransport(build(database, direct=direct)), base_url="http://sublet.test")
        for direct in (True, False)
    ]
    yield made
    for client in made:
        await client.aclose()


def asked(number: int) -> Scope:
    """A request whose query string has this number."""
    return {"type": "http", "method": "GET", "path": "/api/v1/notes", "query_string": b"tag=t%d" % number}


REQUESTS = [
    ("GET", "/api/v1/who"),
    ("GET", "/api/v1/who?ignored=1"),
    ("GET", "/api/v1/who/"),
    ("HEAD", "/api/v1/who"),
    ("POST", "/api/v1/who"),
    ("GET", "/api/v1/notes"),
    ("GET", "/api/v1/notes?limit=7&tag=a&tag=b&reverse=true"),
    ("GET", "/api/v1/notes?limit=7&tag=b&tag=a"),
    ("GET", "/api/v1/notes?limit=0"),
    ("GET", "/api/v1/notes?limit=many"),
    ("GET", "/api/v1/notes?cursor=nonsense"),
    ("GET", "/api/v1/notes?cursor=WzE3XQ"),
    ("GET", "/api/v1/notes?tag=taken"),
    ("GET", "/api/v1/notes?tag=" + "x" * 400),
    ("POST", "/api/v1/notes"),
    ("OPTIONS", "/api/v1/notes"),
]


class TestDirectRoutes:
    @pytest.mark.parametrize("authorization", ["Bearer reader", "Bearer guest", "Bearer nobody"])
    async def test_answer_as_fastapi_does_at_the_first_time_and_later(
        self, clients: list[httpx.AsyncClient], authorization: str
    ) -> None:
        for method, path in REQUESTS:
            for _ in range(3):
                direct, usual = [
                    await client.request(method, path, headers={"Authorization": authorization}) for client in clients
                ]
                assert direct.status_code == usual.status_code, path
                said = [answer.text.replace(answer.headers["x-request-id"], "") for answer in (direct, usual)]
                assert said[0] == said[1], path
                headers = [{**answer.headers, "x-request-id": ""} for answer in (direct, usual)]
                assert headers[0] == headers[1], path

    async def test_are_documented_as_any_other(self, clients: list[httpx.AsyncClient]) -> None:
        documents = [(await client.get("/openapi.json")).json() for client in clients]
        assert documents[0] == documents[1]
        operation = documents[0]["paths"]["/api/v1/notes"]["get"]
        assert {parameter["name"] for parameter in operation["parameters"]} == {"limit", "cursor", "tag", "reverse"}

    async def test_forget_the_oldest_query_strings(self, database: Database) -> None:
        app = build(database, direct=True)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sublet.test") as client:
            for number in range(600):
                answer = await client.get(f"/api/v1/notes?tag=t{number}", headers={"Authorization": "Bearer reader"})
                assert answer.json()["items"][3] == f"['t{number}']"
        (direct,) = [route for route in app.router.routes if isinstance(route, DirectRoutes)]
        known = [direct.matches(asked(number))[0] is Match.FULL for number in range(600)]
        assert known == [False] * 88 + [True] * 512
