"""Whoever is signed out is out everywhere within five seconds: requests, events and the terminal's shell."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from sublet.core.actors import Actor, system_actor
from sublet.core.db import Session
from sublet.fleet.api import AUTHORITY
from sublet.fleet.terminal_target import TerminalTarget
from sublet.identity import users
from sublet.terminal.frames import SUBPROTOCOL
from sublet.terminal.gateway import TERMINAL_TARGET
from tests.fleet.joined import ALLOCATION, LOGIN, Joined
from tests.fleet.real_sshd import RealSshd
from tests.notifications import channels
from tests.support.app import Web
from tests.terminal.conftest import Terminal

pytestmark = pytest.mark.anyio

WITHIN_SECONDS = 5.0


async def sign_out(_web: Web, browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/api/v1/auth/logout")).status_code == 204


async def end_session_elsewhere(_web: Web, browser: httpx.AsyncClient) -> None:
    (session,) = (await browser.get("/api/v1/auth/sessions")).json()["items"]
    assert (await browser.delete(f"/api/v1/auth/sessions/{session['id']}")).status_code == 204


async def disable(web: Web, browser: httpx.AsyncClient) -> None:
    user_id = (await browser.get("/api/v1/me")).json()["user"]["id"]
    async with web.database.transaction() as session:
        await users.disable(session, system_actor("test"), user_id)


class TestRevocation:
    @pytest.mark.parametrize("revoke", [sign_out, end_session_elsewhere, disable], ids=lambda revoke: revoke.__name__)
    async def test_ends_requests_events_and_terminal_within_five_seconds(
        self, web: Web, sshd: RealSshd, revoke: Callable[[Web, httpx.AsyncClient], Awaitable[None]]
    ) -> None:
        joined = Joined(web.database, web.parts[AUTHORITY], sshd)
        await joined.join()

        async def find_target(_session: Session, _actor: Actor, _allocation_id: str) -> TerminalTarget:
            place = joined.address
            return TerminalTarget(place.node_id, place.name, LOGIN, place.host, place.port, None)

        web.parts.put(TERMINAL_TARGET, find_target)  # a real shell, of an allocation that nothing had to launch
        browser = await web.customer()
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        address = f"{web.url.replace('http', 'ws', 1)}/api/v1/allocations/{ALLOCATION}/terminal"
        async with (
            channels.connect(web, browser) as events,
            connect(
                address,
                origin=Origin(web.url),
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers={"Cookie": cookie},
                proxy=None,
            ) as socket,
        ):
            await events.send('{"after": null}')
            terminal = Terminal(socket)
            await terminal.send(type="open", cols=80, rows=24)
            await terminal.frame("opened")
            await terminal.type("echo shell=$$.\n")
            shell = Path("/proc") / (await terminal.match(rb"shell=(\d+)\.")).group(1).decode()
            assert re.search(r"^Name:\s+sh$", (shell / "status").read_text(), re.MULTILINE)

            started = time.monotonic()
            await revoke(web, browser)
            request = await web.client().get("/api/v1/me", headers={"Cookie": cookie})
            async with asyncio.timeout(WITHIN_SECONDS):
                await asyncio.gather(events.wait_closed(), terminal.frame("error"))
                await socket.wait_closed()
                while shell.exists():
                    await asyncio.sleep(0.02)
            assert time.monotonic() - started < WITHIN_SECONDS
            assert request.status_code == 401
            assert (events.close_code, socket.close_code) == (4401, 4401)
