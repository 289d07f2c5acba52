"""How every HTTP answer leaves: request id, problem+json for errors, safe defaults for browsers."""

import json
import time
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sublet.core import context, telemetry
from sublet.core.crashes import message_of
from sublet.core.errors import InvalidInput, SubletError, Unavailable
from sublet.core.http import SAFE_METHODS, SCHEMAS
from sublet.core.ids import new_id
from sublet.core.tracing import ServerSpan

log = telemetry.get_logger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
MAX_BODY_BYTES = 1_048_576
TOO_LARGE = "Bodies end at 1 MiB"
SESSION_COOKIES = ("__Host-sublet_session", "sublet_session")
_STATUS_CODES = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "too_large",
    415: "unsupported_media_type",
}


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(BaseModel):
    """What every error looks like; some carry more fields, which their `code` explains."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None
    errors: list[FieldProblem] | None = None


class _ProblemResponse(JSONResponse):
    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        # A problem may quote what came in: half a surrogate pair has no UTF-8, and must not turn a 4xx into a 500.
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def problem(
    status: int, code: str, title: str, detail: str, *, extra: dict[str, Any] | None = None, headers: Any = None
) -> JSONResponse:
    """An RFC 9457 answer with a stable `code` and the request id."""
    body = {
        "type": f"urn:sublet:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": context.request_id.get(),
        **(extra or {}),
    }
    return _ProblemResponse(body, status, headers=dict(headers or {}))


async def _sublet_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SubletError)
    if error.status >= 500:
        log.error("request.failed", code=error.code, detail=error.detail)
    return problem(error.status, error.code, error.title, error.detail, extra=error.extra, headers=error.headers)


def _field(item: dict[str, Any]) -> str:
    path = [str(part) for part in item["loc"]]
    named = path[1:] if item["type"] != "json_invalid" else []
    return ".".join(named) or path[0]


def _message(item: dict[str, Any]) -> str:
    """What is wrong, without a full stop and without the outcome, which the problem says once for all fields."""
    if item["type"] == "value_error":  # ours: the library would put its own name of it in front
        return str(item["ctx"]["error"]).removesuffix(" Nothing was changed.").removesuffix(".")
    if item["type"] == "json_invalid":
        return f"{item['msg']} ({item['ctx']['error']})"
    return str(item["msg"])


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"field": _field(item), "message": _message(item)} for item in error.errors()]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in errors[:5])
    return problem(
        422, InvalidInput.code, InvalidInput.title, f"{detail}. Nothing was changed.", extra={"errors": errors}
    )


def _allowed_methods(request: Request) -> str:
    """Every method of the path: the framework names only those of the first route that it finds."""
    candidates = {method: {**request.scope, "method": method} for method in METHODS}
    routes = request.app.router.routes
    return ", ".join(
        method for method, scope in candidates.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    )


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _STATUS_CODES.get(error.status_code, f"http_{error.status_code}")
    title = HTTPStatus(error.status_code).phrase
    headers = {"Allow": _allowed_methods(request)} if error.status_code == 405 else error.headers
    return problem(error.status_code, code, title, f"{error.detail}. Nothing was changed.", headers=headers)


async def _data_error(_request: Request, error: Exception) -> JSONResponse:
    log.info("request.refused_by_database", error=type(error).__name__)
    return problem(
        422,
        InvalidInput.code,
        InvalidInput.title,
        "A value is out of range, or holds a character that cannot be stored. Nothing was changed.",
    )


_BUSY = frozenset({"40001", "40P01", "55P03", "57014"})
"""SQLSTATEs of a database that answers, and gave up waiting for somebody else's work or for its own."""


async def _database_away(_request: Request, error: Exception) -> JSONResponse:
    log.error("database.unavailable", error=message_of(error), committing=context.may_have_committed())
    if context.may_have_committed():
        return problem(
            503,
            "outcome_unknown",
            "It is not known whether this was done",
            "The database went away while the result was being saved, so the request may have been done, in part or "
            "whole. Send it again in a few seconds with the same Idempotency-Key: what was done is not done twice. "
            "If it had no key, look first at what is there.",
            headers={"Retry-After": "3"},
        )
    if getattr(getattr(error, "orig", None), "sqlstate", None) in _BUSY:
        return problem(
            503,
            "busy",
            "Others are at work on the same thing",
            "The database is busy, and this took too long. Nothing was changed. Try again in a few seconds.",
            headers={"Retry-After": "3"},
        )
    return problem(
        503,
        Unavailable.code,
        Unavailable.title,
        "The database does not answer. Nothing was changed. Try again in a few seconds.",
        headers={"Retry-After": "3"},
    )


async def _unexpected(_request: Request, error: Exception) -> JSONResponse:
    log.error("request.crashed", error=type(error).__name__, exc_info=error)
    outcome = (
        "a part of the request may have been done. Send it again with the same Idempotency-Key, or look first at what "
        "is there"
        if context.may_have_committed()
        else "what the request began was undone. Try again"
    )
    return problem(
        500,
        "internal_error",
        SubletError.title,
        f"Something failed on our side; {outcome}, and give us the request id if it happens again.",
    )


def install_error_handlers(app: FastAPI) -> None:
    """Turn every exception into problem+json, and say so in the OpenAPI document."""
    describe = app.openapi

    def with_problems() -> dict[str, Any]:
        document = describe()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(models_json_schema([(Problem, "serialization")], ref_template=SCHEMAS + "{model}")[1]["$defs"])
        return document

    app.openapi = with_problems  # type: ignore[method-assign]  # how FastAPI wants its document extended
    app.add_exception_handler(SubletError, _sublet_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DataError, _data_error)
    app.add_exception_handler(UnicodeEncodeError, _data_error)
    app.add_exception_handler(OperationalError, _database_away)
    app.add_exception_handler(PoolTimeout, _database_away)
    app.add_exception_handler(Exception, _unexpected)


class BrowserSafety:
    """Refuses what another site could make a browser send: foreign origins, and unsafe bodies that are not JSON.

    `exempt` paths are called by programs that sign what they send (the card processor's webhook) or carry a one-time
    token (a node's enrolment); a cookie has no meaning there.
    """

    def __init__(self, app: ASGIApp, *, origins: frozenset[str], exempt: frozenset[str]) -> None:
        self.app = app
        self.origins = origins
        self.exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS and scope["path"] not in self.exempt:
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, headers: Headers) -> JSONResponse | None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        cookie = headers.get("cookie", "")
        foreign = (
            origin not in self.origins
            if origin is not None
            else site not in {"same-origin", "none"}
            if site is not None
            else any(f"{name}=" in cookie for name in SESSION_COOKIES)
        )
        if foreign:
            return problem(
                403,
                "origin_refused",
                "This page may not call Sublet",
                f"The request came from {origin or 'an unknown origin'}, which is not an allowed one. "
                "Nothing was changed. Use the console at its own address.",
            )
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if has_body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return problem(
                415,
                "unsupported_media_type",
                "JSON is needed",
                "Send the body as application/json. Nothing was changed.",
            )
        return None


class BodyLimit:
    """Ends requests whose body is larger than any of ours, whether they announce it or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in, and stop at the limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if announced.isdigit() and int(announced[:20]) > MAX_BODY_BYTES:
            refusal = problem(413, "too_large", "Content Too Large", f"{TOO_LARGE}. Nothing was changed.")
            await refusal(scope, receive, send)
            return
        received = 0

        async def receiving() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LARGE)
            return message

        await self.app(scope, receiving, send)


class RequestContext:
    """Gives every request an id, a time and a count, and sends the id back."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measure and name one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        identifier = new_id("req")
        id_header = (b"x-request-id", identifier.encode())
        token = context.request_id.set(identifier)
        context.begin_request()
        span = ServerSpan(scope)
        started, status, answered = time.perf_counter(), 500, False

        async def sending(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message["headers"] = [*message["headers"], id_header]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            # Answered here and not further out, so that the answer and the log line carry the ids.
            if answered or scope["type"] != "http":
                raise
            await (await _unexpected(Request(scope), error))(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            span.end(scope, route, status, identifier)
            context.request_id.reset(token)
            if scope["type"] == "http":
                counted, timed = _metrics_of(scope["method"], route, status)
                counted.inc()
                timed.observe(time.perf_counter() - started)


@lru_cache(maxsize=4096)
def _metrics_of(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return (
        telemetry.requests_total.labels(method, route, str(status)),
        telemetry.request_seconds.labels(method, route),
    )
