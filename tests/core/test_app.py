"""An application says at start what nobody put into it, and answers with what somebody did."""

from collections.abc import Callable
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket

from sublet.core.actors import PUBLIC, Actor
from sublet.core.app import AUTHENTICATOR, DATABASE, KEYRING, App, Beforehand, NotWired, Slot
from sublet.core.db import Database, Session
from sublet.core.http import SubletRouter

pytestmark = pytest.mark.anyio

GREETING: Slot[str] = Slot("greeting")
GreetingDep = Annotated[str, Depends(GREETING)]


async def through_another(greeting: GreetingDep) -> str:
    return greeting.upper()


def asked_by_a_route() -> APIRouter:
    router = APIRouter()

    @router.get("/hello")
    async def hello(greeting: GreetingDep) -> str:
        return greeting

    return router


def asked_by_a_dependency() -> APIRouter:
    router = APIRouter()

    @router.get("/hello")
    async def hello(greeting: Annotated[str, Depends(through_another)]) -> str:
        return greeting

    return router


async def at_length(greeting: str) -> str:
    return f"{greeting}, and how are you?"


def asked_by_what_is_got_beforehand() -> APIRouter:
    router = APIRouter()

    @router.get("/hello")
    async def hello(greeting: Annotated[str, Depends(Beforehand(GREETING, at_length))]) -> str:
        return greeting

    return router


def asked_by_a_websocket() -> APIRouter:
    router = APIRouter()

    @router.websocket("/hello")
    async def hello(websocket: WebSocket, greeting: GreetingDep) -> None: ...

    return router


def asked_by_every_route_of_ours() -> APIRouter:
    router = SubletRouter()

    @router.get("/hello", permission=PUBLIC)
    async def hello() -> None: ...

    return router.api


def asked_by_a_route_whose_answer_is_encrypted() -> APIRouter:
    router = SubletRouter()

    @router.post("/hello", permission=PUBLIC, creates=True, shows_secret=True)
    async def hello() -> None: ...

    return router.api


async def nobody(_session: Session, _connection: object) -> Actor | None:
    return None


class TestAnApplication:
    @pytest.mark.parametrize(
        ("router", "lacking"),
        [
            (asked_by_a_route, GREETING),
            (asked_by_a_dependency, GREETING),
            (asked_by_what_is_got_beforehand, GREETING),
            (asked_by_a_websocket, GREETING),
            (asked_by_every_route_of_ours, DATABASE),
            (asked_by_every_route_of_ours, AUTHENTICATOR),
            (asked_by_a_route_whose_answer_is_encrypted, KEYRING),
        ],
    )
    def test_that_lacks_something_does_not_start(self, router: Callable[[], APIRouter], lacking: Slot[object]) -> None:
        parts = App()
        for slot, part in (
            (GREETING, "hello"),
            (DATABASE, Database("postgresql://nobody@localhost/none")),
            (AUTHENTICATOR, nobody),
        ):
            if slot is not lacking:
                parts.put(slot, part)
        with pytest.raises(NotWired, match=f"/hello needs {lacking.name}"):
            parts.attach(FastAPI(), [router()])

    async def test_answers_with_what_is_in_its_slots_now(self) -> None:
        app, parts = FastAPI(), App().put(GREETING, "hello")
        parts.attach(app, [asked_by_a_route()])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sublet.test") as client:
            assert (await client.get("/hello")).json() == "hello"
            App.of(app).put(GREETING, "good day")
            assert (await client.get("/hello")).json() == "good day"

    def test_names_the_slot_that_is_empty(self) -> None:
        with pytest.raises(NotWired, match="greeting"):
            App()[GREETING]
