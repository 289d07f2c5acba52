"""Every request has a trace: its ids are in every log line, a caller's goes on, and spans are sent if asked for."""

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.support.otlp import Collector, collecting
from tests.support.work import sweep_once

from sublet.core import telemetry, tracing
from sublet.core.db import Database, Session
from sublet.core.webapp import RequestContext, install_error_handlers
from sublet.core.work import leases
from sublet.core.work.declaration import Work
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Done
from sublet.core.work.reconciler import Reconciler

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SECRET = "sk_live_0123456789"
log = telemetry.get_logger("tests.tracing")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as a process writes it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    telemetry.configure_logging()
    assert isinstance(root.handlers[0], logging.StreamHandler)
    root.handlers[0].setStream(written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """This process sends its spans to a collector."""
    with collecting() as collector:
        tracing.configure_tracing("tests", collector.endpoint)
        yield collector
        tracing.stop_tracing()


def application() -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)
    app.add_middleware(RequestContext)

    @app.get("/things/{name}")
    async def thing(name: str) -> dict[str, str | None]:
        log.info("thing.seen")
        with tracing.span("inner work"):
            return {"carried": tracing.traceparent()}

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError(SECRET)

    return app


async def get(path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, headers=headers)


def logged(written: io.StringIO, event: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        line for line in map(json.loads, written.getvalue().splitlines()) if line["event"] == event
    )
    return found


async def arrived(collector: Collector, count: int) -> list[Span]:
    """The spans, once all have been sent: later ones are not."""
    await asyncio.to_thread(tracing.stop_tracing)
    assert len(collector.spans) == count, [span.name for span in collector.spans]
    return collector.spans


def attributes(span: Span) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


class TestIds:
    async def test_are_in_every_line_without_any_exporter(self, lines: io.StringIO) -> None:
        answer = await get("/things/one")
        line = logged(lines, "thing.seen")
        assert line["request_id"] == answer.headers["X-Request-Id"]
        assert len(line["trace_id"]) == 32
        assert line["trace_id"] in answer.json()["carried"]

    async def test_of_a_failure_are_in_its_line_and_its_answer(self, lines: io.StringIO) -> None:
        answer = await get("/broken", traceparent=f"00-{TRACE}-{CALLER}-01")
        line = logged(lines, "request.crashed")
        assert answer.status_code == 500
        assert answer.json()["request_id"] == line["request_id"] == answer.headers["X-Request-Id"]
        assert line["trace_id"] == TRACE

    async def test_of_the_caller_go_on(self, lines: io.StringIO) -> None:
        answer = await get("/things/one", traceparent=f"00-{TRACE}-{CALLER}-01")
        assert logged(lines, "thing.seen")["trace_id"] == TRACE
        assert answer.json()["carried"].startswith(f"00-{TRACE}-")

    @pytest.mark.parametrize("given", ["", "nonsense", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE}-{CALLER}-01"])
    async def test_that_are_not_ids_are_ignored(self, lines: io.StringIO, given: str) -> None:
        assert (await get("/things/one", traceparent=given)).status_code == 200
        assert logged(lines, "thing.seen")["trace_id"] != TRACE

    def test_there_are_none_outside_of_a_span(self) -> None:
        assert tracing.traceparent() is None


class TestSpans:
    async def test_of_a_request_are_named_by_its_route(self, collector: Collector) -> None:
        answer = await get("/things/one?secret=" + SECRET, traceparent=f"00-{TRACE}-{CALLER}-01")
        inner, server = await arrived(collector, 2)
        assert inner.name == "inner work"
        assert inner.parent_span_id == server.span_id
        assert server.name == "GET /things/{name}"
        assert server.kind == Span.SPAN_KIND_SERVER
        assert server.trace_id.hex() == TRACE
        assert server.parent_span_id.hex() == CALLER
        assert attributes(server) == {
            "http.request.method": "GET",
            "http.route": "/things/{name}",
            "http.response.status_code": 200,
            "sublet.request_id": answer.headers["X-Request-Id"],
        }

    async def test_of_a_failure_say_so_without_its_message(self, collector: Collector) -> None:
        await get("/broken")
        with pytest.raises(RuntimeError), tracing.span("inner work"):
            raise RuntimeError(SECRET)
        server, inner = await arrived(collector, 2)
        assert attributes(server)["http.response.status_code"] == 500
        assert attributes(inner) == {"error.type": "RuntimeError"}
        assert SECRET.encode() not in b"".join(collector.bodies)

    async def test_are_not_made_of_what_a_caller_does_not_want_traced(self, collector: Collector) -> None:
        await get("/things/one", traceparent=f"00-{TRACE}-{CALLER}-00")
        assert await arrived(collector, 0) == []

    async def test_of_leased_work_go_on_in_the_trace_of_who_asked_for_it(
        self, collector: Collector, database: Database
    ) -> None:
        seen: list[str] = []

        async def look(_session: Session, lease: Lease) -> Done:
            seen.append(lease.id)
            return Done()

        work: Work[None, None] = Work("allocation", look)
        with tracing.span("request") as asked:
            async with database.transaction() as session:
                await leases.make_due(session, "allocation", "al_1")
        await sweep_once(Reconciler(database, [work]))
        assert seen == ["al_1"]
        _, job = await arrived(collector, 2)
        assert job.name == "look at allocation"
        assert job.trace_id.hex() == f"{asked.get_span_context().trace_id:032x}"
        assert attributes(job) == {"sublet.row": "al_1"}


STARTS_A_CHILD = """
import sublet.core.tracing
import concurrent.futures.thread, subprocess, sys
subprocess.run([sys.executable, "-c", "pass"], check=True, preexec_fn=lambda: None)
"""


class TestAProcessThatStartsOthers:
    def test_is_not_kept_by_its_tracing_from_starting_them(self) -> None:
        """The order of the imports is the one in which the library's own handler waits for ever."""
        process = subprocess.Popen([sys.executable, "-c", STARTS_A_CHILD], start_new_session=True)
        try:
            assert process.wait(timeout=30) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
