"""A gateway served as in production, a real sshd behind it, and a browser-like client."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import HTTPConnection
from websockets.asyncio.client import ClientConnection, connect

from sublet.core.actions import Refusal
from sublet.core.actors import Actor
from sublet.core.app import ALIVE, AUTHENTICATOR, DATABASE, SETTINGS, STOPPING, App
from sublet.core.db import Database, Session
from sublet.core.errors import NotFound
from sublet.core.key_files import keyring_at
from sublet.core.settings import Settings
from sublet.fleet.api import AUTHORITY
from sublet.fleet.ca import CertificateAuthority
from sublet.fleet.terminal_target import Notice, TerminalTarget
from sublet.terminal.frames import SUBPROTOCOL
from sublet.terminal.gateway import TERMINAL_POLICY, TERMINAL_TARGET, router
from sublet.terminal.policy import TerminalPolicy
from tests.fleet.conftest import CUSTOMER, OPERATOR, sshd
from tests.fleet.joined import ALLOCATION, LOGIN, Joined
from tests.fleet.real_sshd import RealSshd
from tests.support.app import served
from tests.support.ports import loopback_listener

__all__ = ["sshd"]

STRANGER = Actor(kind="user", user_id="usr_stranger", organization_id="org_b", permissions=CUSTOMER.permissions)
PEOPLE = {"customer": CUSTOMER, "operator": OPERATOR, "stranger": STRANGER}
DEADLINE = 10.0


@dataclass
class Gateway:
    """The running gateway, and the facts that the layers around it would give it."""

    parts: App
    url: str
    joined: Joined
    closed: Refusal | None = None
    notices: tuple[Notice, ...] = ()
    signed_out: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def client(self, **changes: Any) -> AsyncIterator[ClientConnection]:
        """A browser's WebSocket: our origin, a session cookie, the one subprotocol, unless told otherwise."""
        options: dict[str, Any] = {
            "origin": self.url,
            "subprotocols": [SUBPROTOCOL],
            "additional_headers": {"Cookie": f"sublet_session={changes.pop('person', 'customer')}"},
            "max_size": None,
            "compression": None,
            **changes,
        }
        allocation = options.pop("allocation", ALLOCATION)
        address = f"{self.url.replace('http', 'ws', 1)}/api/v1/allocations/{allocation}/terminal"
        async with connect(address, proxy=None, **options) as socket_:
            yield socket_

    @asynccontextmanager
    async def terminal(self, **changes: Any) -> AsyncIterator["Terminal"]:
        """A terminal that is open."""
        async with self.client(**changes) as socket_:
            terminal = Terminal(socket_)
            await terminal.send(type="open", cols=80, rows=24)
            terminal.opened = await terminal.frame("opened")
            yield terminal


class Terminal:
    """What a person does with an open terminal."""

    def __init__(self, socket_: ClientConnection) -> None:
        self.socket = socket_
        self.seen = b""
        self.opened: dict[str, Any] = {}

    async def send(self, **frame: Any) -> None:
        """Send a text frame."""
        await self.socket.send(json.dumps(frame))

    async def type(self, text: str) -> None:
        """Type."""
        await self.socket.send(text.encode())

    async def frame(self, kind: str) -> dict[str, Any]:
        """The next text frame of a kind; bytes before it are kept."""
        async with asyncio.timeout(DEADLINE):
            while True:
                message = await self.socket.recv()
                if isinstance(message, bytes):
                    self.seen += message
                    continue
                frame: dict[str, Any] = json.loads(message)
                assert frame["type"] == kind, frame
                return frame

    async def until(self, wanted: bytes) -> bytes:
        """Read until `wanted` was shown; what came so far."""
        return (await self.match(re.escape(wanted))).string

    async def match(self, pattern: bytes) -> re.Match[bytes]:
        """Read until something shown matches; the match, whose string is all that came so far."""
        async with asyncio.timeout(DEADLINE):
            while (found := re.search(pattern, self.seen)) is None:
                message = await self.socket.recv()
                assert isinstance(message, bytes), message
                self.seen += message
        self.seen = b""
        return found

    async def closed(self) -> tuple[int | None, str]:
        """Wait until the other side closes; its code and reason."""
        async with asyncio.timeout(DEADLINE):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason or ""


@pytest.fixture
async def joined(database: Database, sshd: RealSshd, tmp_path: Path) -> Joined:
    """A real sshd that has joined as a node."""
    joined = Joined(database, CertificateAuthority(database, keyring_at(tmp_path / "keys" / "encryption.key")), sshd)
    await joined.join()
    return joined


@pytest.fixture
async def gateway(database: Database, joined: Joined, tmp_path: Path) -> AsyncIterator[Gateway]:
    """The gateway on a free port, with a short-lived policy."""
    listener = loopback_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = FastAPI()
    gateway = Gateway(App(), url, joined)

    async def authenticate(_session: Session, connection: HTTPConnection) -> Actor | None:
        return PEOPLE.get(connection.cookies.get("sublet_session", ""))

    async def find_target(_session: Session, actor: Actor, allocation_id: str) -> TerminalTarget:
        if allocation_id != ALLOCATION or actor.organization_id != CUSTOMER.organization_id:
            raise NotFound("allocation", allocation_id)
        address = joined.address
        place = address.node_id, address.name, LOGIN, address.host, address.port
        return TerminalTarget(*place, gateway.closed, gateway.notices)

    async def alive(actor: Actor) -> bool:
        return actor.user_id not in gateway.signed_out

    policy = TerminalPolicy(
        sessions_per_allocation=3, recheck_seconds=0.5, first_frame_seconds=1.0, connect_seconds=3.0
    )
    parts = gateway.parts.put(SETTINGS, Settings(data_directory=tmp_path, public_url=url))
    parts.put(DATABASE, database).put(AUTHENTICATOR, authenticate).put(ALIVE, alive).put(STOPPING, asyncio.Event())
    parts.put(AUTHORITY, joined.authority).put(TERMINAL_TARGET, find_target).put(TERMINAL_POLICY, policy)
    parts.attach(app, [router.api])
    async with served(app, listener, ws_per_message_deflate=False):
        yield gateway
