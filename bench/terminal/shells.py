"""Two ways to the same shell, with one face: write, and read what comes."""

import asyncio
import json
import os
import pty
import signal
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect

from bench.terminal.target import Target

SUBPROTOCOL = "sublet.terminal.v1"
DEADLINE_SECONDS = 60.0


class Shell(Protocol):
    """A shell in a terminal."""

    async def write(self, data: bytes) -> None:
        """Type."""

    async def read(self) -> bytes:
        """What the terminal shows next."""


class BrowserShell:
    """Through our gateway, as the console does it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def write(self, data: bytes) -> None:
        """Type."""
        await self.socket.send(data)

    async def read(self) -> bytes:
        """What the terminal shows next."""
        message = await self.socket.recv(decode=False)
        return message if isinstance(message, bytes) else message.encode()


class SshShell:
    """Through the ssh client on a terminal of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def write(self, data: bytes) -> None:
        """Type."""
        os.write(self._descriptor, data)

    async def read(self) -> bytes:
        """What the terminal shows next."""
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[None] = loop.create_future()

        def ready() -> None:
            if not readable.done():
                readable.set_result(None)

        loop.add_reader(self._descriptor, ready)
        try:
            await readable
        finally:
            loop.remove_reader(self._descriptor)
        return os.read(self._descriptor, 65536)


@asynccontextmanager
async def browser_shell(target: Target, *, max_queue: int = 16) -> AsyncIterator[BrowserShell]:
    """An open browser terminal."""
    async with connect(
        target.socket_url,
        origin=target.url,  # type: ignore[arg-type]  # the library's own name for a string
        subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]  # as above
        additional_headers={"Cookie": target.cookie},
        max_size=None,
        max_queue=max_queue,
        compression=None,
        close_timeout=0.5,
        proxy=None,
    ) as socket:
        await socket.send(json.dumps({"type": "open", "cols": 80, "rows": 24}))
        opened = json.loads(await socket.recv())
        if opened["type"] != "opened":
            raise RuntimeError(f"the terminal did not open: {opened}")
        yield BrowserShell(socket)


@asynccontextmanager
async def ssh_shell(target: Target) -> AsyncIterator[SshShell]:
    """The plain ssh client, its own terminal raw as a terminal emulator's is."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execvp(target.ssh[0], [target.ssh[0], "-tt", *target.ssh[1:]])
    tty.setraw(descriptor, termios.TCSANOW)
    try:
        yield SshShell(descriptor)
    finally:
        os.kill(pid, signal.SIGTERM)
        os.close(descriptor)
        await asyncio.to_thread(os.waitpid, pid, 0)


async def settle(shell: Shell, command: str) -> None:
    """Run a command that prints `ready` when it is set up, and wait for that."""
    await shell.write(command.encode() + b"\n")
    await until(shell, b"ready")


async def until(shell: Shell, end: bytes) -> int:
    """Read until `end` was shown; how many bytes came."""
    count, tail = 0, b""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while end not in tail:
            data = await shell.read()
            count += len(data)
            tail = tail[-len(end) :] + data
    return count
