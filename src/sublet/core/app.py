"""What one web process works with: each thing has a slot, entry fills it, and a route asks for it by that slot.

A slot is declared beside the type that it holds, so this file knows no domain. A route takes what it needs as
`Annotated[Type, Depends(SLOT)]`, which is also how an application that lacks something is found out before it serves.
This is the only file that touches the framework's own `app.state`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

from sublet.core.access import Actor
from sublet.core.db import Database
from sublet.core.sealing import KeyProvider
from sublet.core.settings import Settings

T = TypeVar("T")


class Slot(Generic[T]):
    """The place of one thing in an `App`; as a dependency it answers with that thing."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, connection: HTTPConnection) -> T:
        """What the application that serves this connection has here."""
        return App.of(connection.app)[self]


class NotWired(RuntimeError):
    """A route needs something that nobody put into the application."""


class App:
    """The parts of one web application, each in its slot; nothing in it is optional, and nothing has a default."""

    def __init__(self) -> None:
        self._parts: dict[Slot[Any], Any] = {}

    @staticmethod
    def of(app: FastAPI) -> "App":
        """The parts that the application was attached with."""
        parts: App = app.state.parts
        return parts

    def put(self, slot: Slot[T], part: T) -> "App":
        """Fill a slot, or replace what is in it."""
        self._parts[slot] = part
        return self

    def __getitem__(self, slot: Slot[T]) -> T:
        """What is in the slot; NotWired if nothing is."""
        try:
            part: T = self._parts[slot]
        except KeyError:
            raise NotWired(f"nothing was put into the slot “{slot.name}”") from None
        return part

    def attach(self, app: FastAPI, routers: Iterable[APIRouter]) -> None:
        """Have the application serve the routers with these parts; NotWired names what a route lacks."""
        app.state.parts = self
        for router in routers:
            for route in router.routes:
                missing = sorted({slot.name for slot in _needed_by(route) if slot not in self._parts})
                if missing:
                    where = getattr(route, "path", route)
                    raise NotWired(f"{where} needs {', '.join(missing)}, and nobody put that into the application")
            app.include_router(router)


def _needed_by(route: Any) -> Iterator[Slot[Any]]:
    """The slots that the route's parameters ask for, and those that its class names beside them."""
    yield from getattr(route, "slots", ())
    waiting: list[Dependant] = [route.dependant] if hasattr(route, "dependant") else []
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        if isinstance(dependant.call, Slot):
            yield dependant.call


Authenticator = Callable[[Database, HTTPConnection], Awaitable[Actor | None]]
"""Finds out who is asking: None if nobody is signed in, NotAuthenticated for a credential that is not valid."""

Alive = Callable[[Actor], Awaitable[bool]]
"""Whether the credential that an actor came with still holds; asked again and again while a WebSocket is open."""

SETTINGS: Slot[Settings] = Slot("settings")
DATABASE: Slot[Database] = Slot("database")
KEY_PROVIDER: Slot[KeyProvider] = Slot("key provider")
AUTHENTICATOR: Slot[Authenticator] = Slot("authenticator")
ALIVE: Slot[Alive] = Slot("whether a credential still holds")
STOPPING: Slot[asyncio.Event] = Slot("the process is going away")
