"""What every `api.py` uses: a router whose routes name their permission, and the request's session and actor.

An unsafe request is one transaction, committed before its answer leaves; a safe one reads in autocommit, in one session
from authentication on, or (`SnapshotDep`) what it says of the books as of one moment. A route that must talk to a
network in between takes `DatabaseDep` instead of `SessionDep` and opens its own short transactions.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection

from sublet.core import idempotency
from sublet.core.actions import why_not_as_signed_in
from sublet.core.actors import Actor, Permission, Public
from sublet.core.app import AUTHENTICATOR, CURRENCY, DATABASE, KEYRING, SETTINGS, App, Beforehand, Slot, parts_of
from sublet.core.csv_text import csv_text
from sublet.core.db import Database, Session
from sublet.core.errors import NotAuthenticated
from sublet.core.settings import Settings
from sublet.core.turns import turn

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_BODY_SECONDS = 30.0
"""How long a caller may take to send a request's body."""

_ACTOR = "sublet.actor"
OPEN = "public"
"""What a route that asks for no permission has as `x-permission`."""

SCHEMAS = "#/components/schemas/"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }
    for status, description in (
        ("4XX", "The request was refused; nothing was changed."),
        ("5XX", "A part that this needs failed or did not answer."),
    )
}
"""What every route may answer besides its own answer; `core/webapp.py` adds the schema."""

_SIGN_IN_RULES = {
    "second_factor": "`second_factor_required`: sign in with a second factor, then do it again.",
    "pays_in": "`terms_not_accepted`: accept the terms in force, then do it again.",
    "fresh": "`fresh_sign_in_required`: sign in again, then do it within five minutes; an API token cannot do it.",
}
"""What a route may ask of how its caller signed in, and what a caller who did not is told."""


class RequestScope:
    """The session of one request, opened when first needed and ended once."""

    def __init__(self, database: Database, *, reading: bool) -> None:
        self.database = database
        self._reading = reading
        self._stack = AsyncExitStack()
        self._session: Session | None = None
        self.whose: str | None = None

    async def session(self) -> Session:
        """The request's session."""
        if self._session is None:
            if self.whose is not None and not self._reading:
                await self._stack.enter_async_context(turn(self.database, self.whose))
            opening = self.database.reading() if self._reading else self.database.transaction()
            self._session = await self._stack.enter_async_context(opening)
        return self._session

    async def snapshot(self) -> Session:
        """The request's session, anew: one read-only transaction that sees one moment; of a safe request alone."""
        if not self._reading:
            raise RuntimeError("a request that writes has a transaction, and no snapshot beside it")
        await self.end()
        self._session = await self._stack.enter_async_context(self.database.snapshot())
        return self._session

    @asynccontextmanager
    async def asking_who(self) -> AsyncIterator[Session]:
        """The session in which authentication reads: that of a safe request is the request's own, any other ends."""
        if self._reading:
            yield await self.session()
            return
        async with self.database.reading() as session:
            yield session

    async def end(self) -> None:
        """Commit (or close) what was opened; a later `session()` opens anew."""
        self._session = None
        await self._stack.aclose()

    async def abandon(self, error: BaseException) -> None:
        """Roll back what was opened."""
        self._session = None
        await self._stack.__aexit__(type(error), error, error.__traceback__)


def scope_of(connection: HTTPConnection) -> RequestScope:
    """The scope that the route class put on the request."""
    scope: RequestScope = connection.state.scope
    return scope


class SubletRoute(APIRoute):
    """A route that runs in a RequestScope and, if it creates something, honours Idempotency-Key."""

    @property
    def slots(self) -> frozenset[Slot[Any]]:
        """What the route needs besides what its parameters ask for."""
        extra = self.openapi_extra or {}
        encrypts = "x-creates" in extra and "x-shows-secret" in extra
        slots: tuple[Slot[Any], ...] = (DATABASE, AUTHENTICATOR)
        return frozenset((*slots, KEYRING) if encrypts else slots)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler, so that the transaction ends before the response is sent."""
        inner = super().get_route_handler()
        extra = self.openapi_extra or {}
        creates, shows_secret = "x-creates" in extra, "x-shows-secret" in extra
        asked = {
            "fresh": "x-fresh" in extra,
            "second_factor": "x-second-factor" in extra,
            "pays_in": "x-pays-in" in extra,
        }
        beforehand = [part for part in parts_of(self.dependant) if isinstance(part, Beforehand)]
        permission = None if extra.get("x-permission") == OPEN else Permission(extra["x-permission"])
        if permission is None and beforehand:
            raise ValueError(f"{self.path} is public: it must see who comes before it gets anything for them")

        async def handle(request: Request) -> Response:
            await _receive_body(request)
            parts = App.of(request.app)
            scope = RequestScope(parts[DATABASE], reading=request.method in SAFE_METHODS)
            request.state.scope = scope
            try:
                if permission is not None:
                    actor = await _authenticate(request)
                    actor.require(permission)
                    if refusal := why_not_as_signed_in(actor, **asked):
                        raise refusal.problem
                if beforehand:
                    await scope.end()
                for part in beforehand:
                    await part.get(request)
                if creates and (key := request.headers.get(idempotency.HEADER)) is not None:
                    actor = await _authenticate(request)
                    keyring = parts[KEYRING] if shows_secret else None
                    response = await idempotency.once(
                        scope, actor, request, key, lambda: inner(request), keyring=keyring
                    )
                else:
                    response = await inner(request)
            except BaseException as error:
                await scope.abandon(error)
                raise
            await scope.end()
            return response

        return handle


async def _receive_body(request: Request) -> None:
    """Take the whole body in before anything is opened: a caller who sends slowly must hold no database connection."""
    if request.method in SAFE_METHODS:
        return
    try:
        async with asyncio.timeout(LONGEST_BODY_SECONDS):
            await request.body()
    except TimeoutError:
        raise HTTPException(408, f"The body did not arrive within {LONGEST_BODY_SECONDS:g} seconds") from None
    except ClientDisconnect:
        raise HTTPException(400, "The body ended before its announced length") from None


async def _authenticate(connection: HTTPConnection) -> Actor:
    known: Actor | None = connection.scope.get(_ACTOR)
    if known is None:
        async with scope_of(connection).asking_who() as session:
            known = await App.of(connection.app)[AUTHENTICATOR](session, connection)
        if known is None:
            raise NotAuthenticated("Nobody is signed in. Nothing was changed. Sign in, or send an API token.")
        connection.scope[_ACTOR] = known
        scope_of(connection).whose = known.organization_id or known.user_id
    return known


async def _actor(request: Request) -> Actor:
    return await _authenticate(request)


async def _session(request: Request) -> Session:
    return await scope_of(request).session()


ActorDep = Annotated[Actor, Depends(_actor)]
SessionDep = Annotated[Session, Depends(_session)]
SettingsDep = Annotated[Settings, Depends(SETTINGS)]
CurrencyDep = Annotated[str, Depends(CURRENCY)]


async def _snapshot(request: Request) -> Session:
    return await scope_of(request).snapshot()


SnapshotDep = Annotated[Session, Depends(_snapshot)]
"""For a GET that reads the books in more than one statement: all of them see the same moment. It is instead of
`SessionDep`, and declared after `ActorDep`."""


async def _database(request: Request) -> Database:
    scope = scope_of(request)
    await scope.end()
    return scope.database


DatabaseDep = Annotated[Database, Depends(_database)]
"""For routes that take, act and conclude: authentication's session has ended. Declare it after `ActorDep`."""


class SubletRouter:
    """A domain's routes; `permission` is not optional, so that no route is open by accident."""

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        self.api = APIRouter(prefix=prefix, tags=list(tags), route_class=SubletRoute)

    def _add(
        self,
        method: str,
        path: str,
        permission: Permission | Public,
        options: dict[str, Any],
        **flags: bool,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        extra = {"x-permission": permission.value if isinstance(permission, Permission) else OPEN}
        extra |= {f"x-{name.replace('_', '-')}": "yes" for name, is_set in flags.items() if is_set}
        options.setdefault("openapi_extra", {}).update(extra)
        rules = [told for name, told in _SIGN_IN_RULES.items() if flags.get(name)]
        if rules and not isinstance(permission, Permission):
            raise ValueError(f"{path} is public, and nobody has to sign in there")
        refused = {403: {**PROBLEMS["4XX"], "description": " ".join(["`permission_denied`.", *rules])}} if rules else {}
        options["responses"] = {**PROBLEMS, **refused, **options.get("responses", {})}

        def register(endpoint: Callable[..., Any]) -> Callable[..., Any]:
            self.api.add_api_route(path, endpoint, methods=[method], **options)
            return endpoint

        return register

    def get(
        self, path: str, *, permission: Permission | Public, **options: Any
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a GET route."""
        return self._add("GET", path, permission, options)

    def post(
        self,
        path: str,
        *,
        permission: Permission | Public,
        creates: bool = False,
        shows_secret: bool = False,
        fresh: bool = False,
        second_factor: bool = False,
        pays_in: bool = False,
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a POST route; `creates=True` makes it honour Idempotency-Key.

        `shows_secret=True` is for an answer with a secret that is shown once: what is kept for a replay is encrypted.
        `fresh=True` asks that the caller has just signed in, and `second_factor=True` that it was with one.
        `pays_in=True` is for what charges a card, or lets one be charged: it asks that the terms in force are accepted.
        """
        flags = {"creates": creates, "shows_secret": shows_secret, "fresh": fresh, "second_factor": second_factor}
        return self._add("POST", path, permission, options, **flags, pays_in=pays_in)

    def patch(
        self,
        path: str,
        *,
        permission: Permission | Public,
        fresh: bool = False,
        second_factor: bool = False,
        pays_in: bool = False,
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a PATCH route."""
        flags = {"fresh": fresh, "second_factor": second_factor, "pays_in": pays_in}
        return self._add("PATCH", path, permission, options, **flags)

    def delete(
        self,
        path: str,
        *,
        permission: Permission | Public,
        fresh: bool = False,
        second_factor: bool = False,
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a DELETE route."""
        return self._add("DELETE", path, permission, options, fresh=fresh, second_factor=second_factor)


CSV_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""What a route adds to its answers that may be asked for as CSV."""


def csv_answer(name: str, lines: Iterable[BaseModel]) -> Response:
    """The lines as a file of that name."""
    return Response(
        csv_text(lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
