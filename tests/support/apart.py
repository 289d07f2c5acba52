"""A network namespace for the browser, out of which it gets by one way: a relay (SOCKS5) to this machine's loopback.

Nodes that are started and ended beside it make addresses come and go on the machine, and Chromium ends all its requests
whenever it sees that. In a namespace of its own it sees nothing of it.
"""

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000
NO_AUTHENTICATION = b"\x05\x00"
CONNECTED, REFUSED = (b"\x05" + code + b"\x00\x01\x00\x00\x00\x00\x00\x00" for code in (b"\x00", b"\x05"))
Made = TypeVar("Made")
IPV4, NAME, IPV6 = 1, 3, 4
CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Apart:
    """Such a namespace: where it can be entered, and the port of the relay on its loopback."""

    namespace: Path
    port: int

    def command(self, program: Path, at: Path) -> Path:
        """Write a command at `at` that runs the program in there."""
        at.write_text(f'#!/bin/sh\nexec nsenter --net={self.namespace} {program} "$@"\n')
        at.chmod(0o755)
        return at

    @property
    def options(self) -> list[str]:
        """What tells Chromium of the relay, also for loopback addresses, which it would not ask one for."""
        return [f"--proxy-server=socks5://127.0.0.1:{self.port}", "--proxy-bypass-list=<-loopback>"]


@contextmanager
def apart() -> Iterator[Apart]:
    """A namespace that is gone when the block ends and nothing runs in it any more. Root only."""
    listening, own = _in_thread(_enter_new)
    port: int = listening.getsockname()[1]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop, listening), daemon=True)
    thread.start()
    try:
        yield Apart(Path(f"/proc/{os.getpid()}/fd/{own}"), port)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        os.close(own)


def _in_thread(make: Callable[[], Made]) -> Made:
    """What `make` returns or raises in a thread that ends with it: a thread can be in a namespace of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(make).result()


def _enter_new() -> tuple[socket.socket, int]:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace could be made")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    return socket.create_server(("127.0.0.1", 0)), own


def _serve(loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
    """Relay until the loop is stopped; then let go of whoever is connected."""
    asyncio.set_event_loop(loop)
    server = loop.run_until_complete(asyncio.start_server(_relay, sock=listening))
    loop.run_forever()
    server.close()
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: SOCKS5's two questions (RFC 1928), then bytes both ways until either side has ended."""
    with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(NO_AUTHENTICATION)
        host, port = await _asked_for(reader)
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError:
            writer.write(REFUSED)
            return
        writer.write(CONNECTED)
        with contextlib.closing(back):
            pumps = [asyncio.create_task(_pump(reader, back)), asyncio.create_task(_pump(there, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _asked_for(reader: asyncio.StreamReader) -> tuple[str, int]:
    _, _, _, kind = await reader.readexactly(4)
    if kind == NAME:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode()
    else:
        host = str(ipaddress.ip_address(await reader.readexactly({IPV4: 4, IPV6: 16}[kind])))
    return host, int.from_bytes(await reader.readexactly(2))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
