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

from sublet.core.actors import Actor
from sublet.core.db import Database, Session
from sublet.core.keyring import Keyring
from sublet.core.settings import Settings

S = TypeVar("S")
T = TypeVar("T")


class Slot(Generic[T]):
    """The place of one thing in an `App`; as a dependency it answers with that thing."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, connection: HTTPConnection) -> T:
        """What the application that serves this connection has here."""
        return App.of(connection.app)[self]


class Beforehand(Generic[S, T]):
    """What a route needs and nobody may get while a session is open: it is got from a slot's part before the session.

    A route names it as a dependency, like a slot. It is got once it is known that the caller has the permission.
    """

    def __init__(self, slot: Slot[S], getting: Callable[[S], Awaitable[T]]) -> None:
        self.slot = slot
        self._getting = getting

    async def get(self, connection: HTTPConnection) -> None:
        """Get it for this request."""
        got = await self._getting(App.of(connection.app)[self.slot])
        connection.scope.setdefault(_BEFOREHAND, {})[self] = got

    async def __call__(self, connection: HTTPConnection) -> T:
        """What was got for this request."""
        got: T = connection.scope[_BEFOREHAND][self]
        return got


_BEFOREHAND = "sublet.beforehand"


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
    if hasattr(route, "dependant"):
        for part in parts_of(route.dependant):
            yield part.slot if isinstance(part, Beforehand) else part


def parts_of(dependant: Dependant) -> Iterator[Slot[Any] | Beforehand[Any, Any]]:
    """The slots, and what is to be got beforehand, that a route's parameters ask for."""
    waiting = [dependant]
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        if isinstance(dependant.call, Slot | Beforehand):
            yield dependant.call


Authenticator = Callable[[Session, HTTPConnection], Awaitable[Actor | None]]
"""Finds out who is asking: None if nobody is signed in, NotAuthenticated for a credential that is not valid."""

Alive = Callable[[Actor], Awaitable[bool]]
"""Whether the credential that an actor came with still holds; asked again and again while a WebSocket is open."""

SETTINGS: Slot[Settings] = Slot("settings")
DATABASE: Slot[Database] = Slot("database")
KEYRING: Slot[Keyring] = Slot("keyring")
AUTHENTICATOR: Slot[Authenticator] = Slot("authenticator")
ALIVE: Slot[Alive] = Slot("whether a credential still holds")
CURRENCY: Slot[str] = Slot("the currency that wallets are kept in")
STOPPING: Slot[asyncio.Event] = Slot("the process is going away")
