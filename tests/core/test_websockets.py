"""Who a WebSocket is opened for: our own pages and programs with a token, signed in, with the right to it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from sublet.core.actors import Actor, Permission
from sublet.core.db import Database, Session
from sublet.core.errors import NotAuthenticated
from sublet.core.settings import Settings
from sublet.core.websockets import FORBIDDEN, UNAUTHENTICATED, Door, close

pytestmark = pytest.mark.anyio

OURS = "https://sublet.test"
OTHER = "https://console.test"
PROTOCOL = "sublet.things.v1"
READER = Actor(kind="user", user_id="usr_a", permissions=frozenset({Permission.WALLET_READ}))
PEOPLE = {"reader": READER, "stranger": Actor(kind="user", user_id="usr_b")}


async def authenticate(_session: Session, connection: HTTPConnection) -> Actor | None:
    """By a cookie or a token that is somebody's name; `expired` does not hold any more."""
    name = connection.cookies.get("who") or connection.headers.get("authorization", "").removeprefix("Bearer ")
    if name == "expired":
        raise NotAuthenticated("The session has ended.")
    return PEOPLE.get(name)


async def stays(*_: Any) -> bool:
    """Nobody is asked here whether they may stay."""
    return True


class Client:
    """The other end of a WebSocket, as the server sees it; `sent` is what it was sent, in order."""

    def __init__(self, *, subprotocols: list[str] | None = None, **headers: str) -> None:
        self.sent: list[dict[str, Any]] = []
        self.hangs = self.leaves = False
        self.socket = WebSocket(
            {
                "type": "websocket",
                "path": "/api/v1/things",
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
                "subprotocols": [PROTOCOL] if subprotocols is None else subprotocols,
                "extensions": {},
            },
            self._receive,
            self._send,
        )

    async def _receive(self) -> dict[str, Any]:
        return {"type": "websocket.disconnect", "code": 1001} if self.leaves else {"type": "websocket.connect"}

    async def _send(self, message: Any) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.sent.append(message)

    @property
    def told(self) -> list[tuple[str, Any]]:
        """What was sent: how the handshake ended, and the code of a close."""
        return [(one["type"].removeprefix("websocket."), one.get("code")) for one in self.sent]


@pytest.fixture
def door(database: Database, tmp_path: Path) -> Door:
    """The door of an installation with a second origin of its own."""
    settings = Settings(data_directory=tmp_path, public_url=OURS, allowed_origins=[OTHER])
    return Door(settings, database, authenticate, stays, asyncio.Event())


async def knock(door: Door, client: Client) -> Actor | None:
    return await door.admit(client.socket, subprotocol=PROTOCOL, permission=Permission.WALLET_READ)


class TestTheOrigin:
    @pytest.mark.parametrize("origin", [OURS, OTHER])
    async def test_of_ours_is_let_in_with_a_cookie(self, door: Door, origin: str) -> None:
        client = Client(origin=origin, cookie="who=reader")
        assert await knock(door, client) is READER
        assert client.told == [("accept", None)]
        assert client.sent[0]["subprotocol"] == PROTOCOL

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.test",
            "http://sublet.test",
            "https://sublet.test:8443",
            "https://sublet.test.evil.test",
            "https://evil.sublet.test",
            "https://SUBLET.test/",
            "null",
            "",
        ],
    )
    @pytest.mark.parametrize("credential", [{"cookie": "who=reader"}, {"authorization": "Bearer reader"}])
    async def test_of_another_host_scheme_or_port_is_refused_whatever_comes_with_it(
        self, door: Door, origin: str, credential: dict[str, str]
    ) -> None:
        client = Client(origin=origin, **credential)
        assert await knock(door, client) is None
        assert client.told == [("close", FORBIDDEN)]

    async def test_that_is_missing_is_refused_with_a_cookie(self, door: Door) -> None:
        client = Client(cookie="who=reader")
        assert await knock(door, client) is None
        assert client.told == [("close", FORBIDDEN)]

    async def test_that_is_missing_is_a_program_with_a_token(self, door: Door) -> None:
        client = Client(authorization="Bearer reader")
        assert await knock(door, client) is READER

    async def test_that_is_missing_is_no_program_with_another_scheme(self, door: Door) -> None:
        client = Client(authorization="Basic reader", cookie="who=reader")
        assert await knock(door, client) is None
        assert client.told == [("close", FORBIDDEN)]


class TestTheSubprotocol:
    @pytest.mark.parametrize("offered", [[], ["sublet.other.v1"], [PROTOCOL.upper()]])
    async def test_has_to_be_offered(self, door: Door, offered: list[str]) -> None:
        client = Client(origin=OURS, cookie="who=reader", subprotocols=offered)
        assert await knock(door, client) is None
        assert client.told == [("close", FORBIDDEN)]


class TestTheCaller:
    @pytest.mark.parametrize("who", ["nobody", "expired"])
    async def test_that_is_not_signed_in_is_told_so_after_the_handshake(self, door: Door, who: str) -> None:
        client = Client(origin=OURS, cookie=f"who={who}")
        assert await knock(door, client) is None
        assert client.told == [("accept", None), ("close", UNAUTHENTICATED)]

    async def test_that_lacks_the_permission_is_told_so_after_the_handshake(self, door: Door) -> None:
        client = Client(origin=OURS, cookie="who=stranger")
        assert await knock(door, client) is None
        assert client.told == [("accept", None), ("close", FORBIDDEN)]


class TestClosing:
    async def test_tells_an_open_socket_once(self, door: Door) -> None:
        client = Client(origin=OURS, cookie="who=reader")
        await knock(door, client)
        for _ in range(2):
            await close(client.socket, 1001, "going away")
        assert client.told == [("accept", None), ("close", 1001)]

    async def test_tells_one_that_has_left_nothing(self, door: Door) -> None:
        client = Client(origin=OURS, cookie="who=reader")
        await knock(door, client)
        client.leaves = True
        await client.socket.receive()
        await close(client.socket, 1001, "going away")
        assert client.told == [("accept", None)]

    async def test_does_not_wait_for_one_that_does_not_read(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sublet.core.websockets.CLOSE_SECONDS", 0.05)
        client = Client(origin=OURS, cookie="who=reader")
        await knock(door, client)
        client.hangs = True
        async with asyncio.timeout(5):
            await close(client.socket, 1001, "going away")
        assert client.told == [("accept", None)]
