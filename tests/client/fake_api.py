"""A real HTTP server on a free port of 127.0.0.1 that speaks the API over a World, and can misbehave on request."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.client import (
    fake_admin_routes,
    fake_books_routes,
    fake_card_routes,
    fake_credit_routes,
    fake_finding_routes,
    fake_helper_routes,
    fake_life_routes,
    fake_limit_routes,
    fake_notice_routes,
    fake_payout_routes,
    fake_refund_routes,
)
from tests.client.contract import drift
from tests.client.fake_routes import ROUTES, Asked
from tests.client.fake_shapes import Problem
from tests.client.fake_world import CUSTOMER_TOKEN, OPERATOR_TOKEN, World, furnished

assert fake_admin_routes
assert fake_card_routes
assert fake_life_routes
assert fake_limit_routes
assert fake_finding_routes
assert fake_notice_routes
assert fake_credit_routes
assert fake_payout_routes
assert fake_refund_routes
assert fake_helper_routes
assert fake_books_routes

DROP = "drop"
DROP_AFTER = "drop after"
API = "/api/v1"


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    query: dict[str, str]


@dataclass
class FakeApi:
    """The server from outside."""

    url: str
    world: World
    seen: list[Seen] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)
    """What happens to the next requests instead: a status, (status, headers), DROP, DROP_AFTER, or raw bytes."""
    kept: dict[str, tuple[str, int, Any]] = field(default_factory=dict)
    drift: list[str] = field(default_factory=list)
    """Where requests and answers were not as console/openapi.json has them."""

    def calls(self, method: str, path: str) -> list[Seen]:
        """The requests of one kind."""
        return [one for one in self.seen if (one.method, one.path) == (method, API + path)]


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    api: FakeApi

    def log_message(self, format: str, *args: Any) -> None:
        """Be silent."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        body = json.loads(raw) if raw else {}
        split = urlsplit(self.path)
        self.api.seen.append(Seen(self.command, split.path, dict(self.headers), body, dict(parse_qsl(split.query))))
        fault = self.api.faults.pop(0) if self.api.faults else None
        if fault == DROP:
            self.close_connection = True
            return
        query = dict(parse_qsl(split.query))
        status, answer = self._answer(split.path, query, body)
        # As it is now: the world goes on while others are answered.
        if isinstance(answer, str) and fault is None:
            self._send_raw(status, answer.encode(), "text/csv; charset=utf-8", {})
            return
        answer = json.loads(json.dumps(answer))
        self.api.drift += drift(
            self.command, split.path, query=query, body=body, sent=bool(raw), status=status, answer=answer
        )
        if fault == DROP_AFTER:
            self.close_connection = True
        elif isinstance(fault, int):
            self._send(fault, _unavailable(fault))
        elif isinstance(fault, tuple):
            self._send(fault[0], _unavailable(fault[0]), fault[1])
        elif isinstance(fault, bytes):
            self._send_raw(200, fault, "text/html", {})
        else:
            self._send(status, answer)

    def _answer(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        try:
            return self._route(path, query, body)
        except Problem as problem:
            return problem.status, {**problem.body, "request_id": "req_0000000000000007"}

    def _route(self, path: str, query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in {CUSTOMER_TOKEN, OPERATOR_TOKEN}:
            raise Problem(401, "not_authenticated", "The token is not valid. Nothing was changed.")
        key = self.headers.get("Idempotency-Key")
        said = f"{self.command} {path} {json.dumps(body, sort_keys=True)}"
        if key is not None and key in self.api.kept:
            before, status, answer = self.api.kept[key]
            if before != said:
                raise Problem(422, "idempotency_key_reused", "This Idempotency-Key came with another request.")
            return status, answer
        for method, pattern, handler in ROUTES:
            match = pattern.fullmatch(path.removeprefix(API))
            if match and method == self.command and path.startswith(API):
                status, answer = handler(Asked(self.api.world, query, body, token, match.groupdict()))
                if key is not None:
                    self.api.kept[key] = (said, status, answer)
                return status, answer
        raise Problem(404, "not_found", f"There is no {path}. Nothing was changed.")

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        kind = "application/json" if status < 400 else "application/problem+json"
        self._send_raw(status, json.dumps(answer).encode(), kind, headers or {})

    def _send_raw(self, status: int, content: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _unavailable(status: int) -> dict[str, Any]:
    return Problem(status, "unavailable", "Try later.").body


class Server(ThreadingHTTPServer):
    """One thread a connection, all of them ended with the server."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def serving(world: World | None = None) -> Iterator[FakeApi]:
    """Serve a world until the end of the block; AssertionError if something was not as the API promises."""
    handler = type("BoundHandler", (Handler,), {})
    server = Server(("127.0.0.1", 0), handler)
    api = FakeApi(f"http://127.0.0.1:{server.server_address[1]}", world or furnished())
    handler.api = api  # type: ignore[attr-defined]  # made just above, one class for each server
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert not api.drift, "\n".join(dict.fromkeys(api.drift))
