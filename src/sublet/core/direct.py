"""Routes that are asked so often that finding them and solving their parameters would cost more than answering.

FastAPI stays the reference: it documents a direct route, and it answers whatever has a query string that was not seen
before. What it made of that query string is remembered, and the next request with the same one calls the endpoint at
once, after the same authentication and the same permission.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NoReturn, get_type_hints

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from sublet.core.access import Actor, Permission

Endpoint = Callable[..., Awaitable[Response]]

MOST_REMEMBERED = 512
LONGEST_REMEMBERED = 256
_ARGUMENTS = "sublet.direct_arguments"


class DirectRoute:
    """A GET route without path parameters that answers with a Response.

    Its endpoint takes some of `given` (by annotation: the actor, the database) and the request; whatever else it takes
    must come from the query string alone, and must not be changed by it.
    """

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        permission: Permission,
        *,
        authenticate: Callable[[Request], Awaitable[Actor]],
        given: Mapping[Any, Callable[[HTTPConnection, Actor], Any]],
    ) -> None:
        self.path = path
        self._endpoint = endpoint
        self._permission = permission
        self._authenticate = authenticate
        hints = {name: hint for name, hint in get_type_hints(endpoint, include_extras=True).items() if name != "return"}
        self._request = next((name for name, hint in hints.items() if hint is Request), None)
        self._given = [(name, given[hint]) for name, hint in hints.items() if hint in given]
        self._from_query = hints.keys() - {name for name, _ in self._given} - {self._request}
        assert not self._from_query or self._request, "its query string is read from the request"
        self._seen: dict[bytes, dict[str, Any]] = {}

    @property
    def remembering(self) -> Endpoint:
        """The endpoint as FastAPI is to call it: it remembers what FastAPI made of the query string."""
        if self._request is None:
            return self._endpoint
        request_name = self._request

        @wraps(self._endpoint)
        async def remember(**values: Any) -> Response:
            query: bytes = values[request_name].scope["query_string"]
            if len(query) <= LONGEST_REMEMBERED:
                if len(self._seen) >= MOST_REMEMBERED:
                    self._seen.pop(next(iter(self._seen)), None)
                self._seen[query] = {name: values[name] for name in self._from_query}
            return await self._endpoint(**values)

        return remember

    def arguments(self, query: bytes) -> dict[str, Any] | None:
        """What the endpoint gets for a query string; None if FastAPI must look at it first."""
        return self._seen.get(query) if self._from_query else {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, check the permission, and answer."""
        request = Request(scope, receive)
        actor = await self._authenticate(request)
        actor.require(self._permission)
        values = {name: find(request, actor) for name, find in self._given}
        if self._request is not None:
            values[self._request] = request
        response = await self._endpoint(**values, **scope[_ARGUMENTS])
        await response(scope, receive, send)


class DirectRoutes(BaseRoute):
    """All direct routes as the first route of the application."""

    def __init__(self, routes: Iterable[DirectRoute]) -> None:
        self._routes = {route.path: route for route in routes}

    @property
    def paths(self) -> frozenset[str]:
        """What they answer; each is also a route of FastAPI, which documents it."""
        return frozenset(self._routes)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether one of them can answer without FastAPI."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope.get("root_path"):
            return Match.NONE, {}
        route = self._routes.get(scope["path"])
        arguments = None if route is None else route.arguments(scope["query_string"])
        if arguments is None:
            return Match.NONE, {}
        return Match.FULL, {"route": route, _ARGUMENTS: arguments}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the route that matched."""
        route: DirectRoute = scope["route"]
        await route.handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> NoReturn:
        """FastAPI's own routes have the names."""
        raise NoMatchFound(name, path_params)
