"""A worker's own /metrics: few connections at a time, each for a few seconds, in the worker's own loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sublet.core.runtime import NotConfigured

CONNECTIONS = 16
SECONDS = 5.0
REQUEST_BYTES = 8192


def listen_for_metrics(listen: str | None) -> socket.socket | None:
    """A socket on `host:port`, or none if none is given; NotConfigured when nothing can listen there."""
    if listen is None:
        return None
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, int(port)), family=family)
    except (OSError, OverflowError) as error:
        raise NotConfigured(
            f"SUBLET_METRICS_LISTEN is {listen}, and nothing can listen there ({error}). Nothing was started. Give "
            "each worker a free port of this machine, or leave the setting out."
        ) from None


@asynccontextmanager
async def answering_metrics(listener: socket.socket | None) -> AsyncIterator[None]:
    """Answer /metrics on the socket with what this process counted; a connection beyond the limit is closed at once."""
    if listener is None:
        yield
        return
    slots = asyncio.Semaphore(CONNECTIONS)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not slots.locked():
                async with slots:
                    await _answer(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(answer, sock=listener, limit=REQUEST_BYTES)
    try:
        yield
    finally:
        server.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request and its answer, within the time that a connection has."""
    with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(SECONDS):
            writer.write(_response(await reader.readuntil(b"\r\n\r\n")))
            writer.close()
            await writer.wait_closed()


def _response(request: bytes) -> bytes:
    method, _, rest = request.partition(b" ")
    if method != b"GET" or rest.split(b" ")[0].split(b"?")[0] != b"/metrics":
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = generate_latest()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE_LATEST}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
