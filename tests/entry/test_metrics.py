"""A worker's /metrics: connections that ask nothing are few, and do not stay."""

import asyncio
import socket

import pytest

from sublet.entry import metrics
from sublet.entry.metrics import answering_metrics, listen_for_metrics

pytestmark = pytest.mark.anyio


@pytest.fixture
def listener() -> socket.socket:
    listener = listen_for_metrics("127.0.0.1:0")
    assert listener is not None
    return listener


async def ask(listener: socket.socket, request: bytes) -> bytes:
    """Send something, and read until the connection ends."""
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_answers_what_was_counted_and_nothing_else(listener: socket.socket) -> None:
    async with answering_metrics(listener):
        answer = await ask(listener, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"python_info" in answer
        assert (await ask(listener, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")


async def test_ends_a_request_that_is_never_whole(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SECONDS", 0.1)
    async with answering_metrics(listener):
        assert await ask(listener, b"GET /met") == b""


async def test_ends_a_request_that_is_too_long(listener: socket.socket) -> None:
    async with answering_metrics(listener):
        assert await ask(listener, b"GET /" + b"x" * 2 * metrics.REQUEST_BYTES) == b""


async def test_hangs_up_on_whoever_comes_when_too_many_are_there(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SECONDS", 60.0)
    async with answering_metrics(listener):
        held = [await asyncio.open_connection(*listener.getsockname()) for _ in range(metrics.CONNECTIONS)]
        assert await ask(listener, b"GET /met") == b""
        for _, writer in held:
            writer.close()
