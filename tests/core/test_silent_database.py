"""A database that ends a connection in the middle, or is there and says nothing: everybody gets an answer in time."""

import asyncio
import socket
import struct
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from tests.support.app import Web

from sublet.core.db import Database
from sublet.supervisor.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.anyio

PID = text("SELECT pg_backend_pid()")
FAREWELL = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0"
LONGEST_SECONDS = 12.0


class Between:
    """Stands between us and the server, on a socket of its own, and can stop to pass on what we say."""

    def __init__(self, server: Path) -> None:
        self.server = server
        self.directory = tempfile.TemporaryDirectory(prefix="sublet-between-")
        self.frozen = False
        self._clients: set[socket.socket] = set()
        self._servers: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener = socket.socket(socket.AF_UNIX)

    def start(self) -> None:
        """Take connections."""
        self._listener.bind(f"{self.directory.name}/{self.server.name}")
        self._listener.listen(50)
        self._listener.setblocking(False)
        self._begin(self._accept())

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in (*self._clients, *self._servers, self._listener):
            one.close()
        self.directory.cleanup()

    async def unread(self) -> None:
        """Wait until something was said that nobody has read."""
        while not any(self._has_something(client) for client in self._clients):
            await asyncio.sleep(0.01)

    def end_connections(self) -> None:
        """As a server that dies: a last word, and gone with what was said to it unread."""
        clients, self._clients = self._clients, set()
        for client in clients:
            client.send(b"E" + struct.pack(">I", len(FAREWELL) + 4) + FAREWELL)
            client.close()

    def _begin(self, work: "asyncio._CoroutineLike[None]") -> None:
        self._tasks.add(asyncio.ensure_future(work))

    @staticmethod
    def _has_something(client: socket.socket) -> bool:
        with suppress(BlockingIOError):
            return client.recv(1, socket.MSG_PEEK) != b""
        return False

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            client.setblocking(False)
            server = socket.socket(socket.AF_UNIX)
            server.setblocking(False)
            self._servers.add(server)
            await loop.sock_connect(server, str(self.server))
            self._clients.add(client)
            self._begin(self._carry(client, server, stops=True))
            self._begin(self._carry(server, client, stops=False))

    async def _carry(self, source: socket.socket, target: socket.socket, *, stops: bool) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                while (stops and self.frozen) or not self._has_something(source):
                    await asyncio.sleep(0.005)
                    if source.fileno() < 0:
                        return
                await loop.sock_sendall(target, source.recv(65536))


@pytest.fixture
async def between(postgres: EmbeddedPostgres, database_name: str) -> AsyncIterator[Between]:
    """What stands before the session's server."""
    [place] = parse_qs(urlsplit(postgres.url("sublet_app", database_name)).query)["host"]
    [server] = [path for path in Path(place).iterdir() if path.is_socket()]
    between = Between(server)
    between.start()
    yield between
    await between.stop()


@pytest.fixture
def app_url(between: Between, database_name: str) -> str:
    """The test's database, by way of what stands before it."""
    return f"postgresql://sublet_app@/{database_name}?host={between.directory.name}"


async def pid_on(database: Database) -> int:
    """The server process behind a session."""
    async with database.reading() as session:
        pid: int = (await session.execute(PID)).scalar_one()
        return pid


@pytest.fixture
async def database(app_url: str) -> AsyncIterator[Database]:
    """A database whose silence is noticed sooner than usual."""
    database = Database(app_url, patience_seconds=0.7)
    yield database
    await database.close()


class TestAConnectionThatEndsWithAQuestionUnread:
    @pytest.fixture
    def anyio_backend(self) -> tuple[str, dict[str, bool]]:
        """The event loop that the web process runs on, which tells of such an end differently."""
        return "asyncio", {"use_uvloop": True}

    async def test_is_noticed_and_replaced(self, database: Database, between: Between) -> None:
        before = await pid_on(database)
        between.frozen = True
        asking = asyncio.ensure_future(pid_on(database))
        await between.unread()
        between.frozen = False
        between.end_connections()
        with pytest.raises(OperationalError):
            await asyncio.wait_for(asking, LONGEST_SECONDS)
        assert await pid_on(database) != before


class TestAServerThatIsSlow:
    async def test_is_waited_for(self, database: Database) -> None:
        async with database.transaction() as session:
            before = (await session.execute(PID)).scalar_one()
            await session.execute(text("SELECT pg_sleep(1.5)"))  # somebody knocks meanwhile, and is let in
            assert (await session.execute(PID)).scalar_one() == before


class TestAServerThatSaysNothing:
    async def test_is_told_to_who_asks_and_ends_what_waits_for_it(self, web: Web, between: Between) -> None:
        customer = await web.customer()
        working = asyncio.Event()

        async def work() -> None:
            async with web.database.transaction() as session:
                await session.execute(text("SELECT 1"))
                working.set()
                while not between.frozen:
                    await asyncio.sleep(0.01)
                await session.execute(text("SELECT 2"))

        waiting = asyncio.ensure_future(work())
        await working.wait()
        between.frozen = True
        began = time.monotonic()
        body = {"name": "x", "public_key": "x"}
        asked = (customer.get("/api/v1/me"), customer.post("/api/v1/ssh-keys", json=body), customer.get("/api/v1/me"))
        for answer in await asyncio.gather(*asked):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["content-type"] == "application/problem+json"
        with pytest.raises(OperationalError):
            await asyncio.wait_for(waiting, LONGEST_SECONDS)
        assert time.monotonic() - began < LONGEST_SECONDS
        between.frozen = False
        assert (await customer.get("/api/v1/me")).status_code == 200
