"""One cable from this machine into a process's network namespace, and sockets inside such a namespace."""

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from .commands import CommandFailed, run

_CLONE_NEWNET = 0x40000000
# Set aside for benchmarks between networks, so that it is in use hardly anywhere (RFC 2544).
_POOL = ipaddress.ip_network("198.18.0.0/15")


@dataclass(frozen=True, slots=True)
class Cable:
    """Names and addresses of one node's network: all derived from the node's id."""

    link: str
    machine_address: str
    node_address: str
    mac: str


def plan(node_id: str, *, attempt: int = 0) -> Cable:
    """The cable of a node: a /30 picked by its id (8 hex digits), so that two runs at once do not meet."""
    subnets = _POOL.num_addresses // 4
    offset = (int(node_id, 16) + attempt * 7919) % subnets
    base = _POOL.network_address + offset * 4
    mac = "02:" + ":".join(f"{byte:02x}" for byte in (*bytes.fromhex(node_id), attempt & 0xFF))
    return Cable(f"sbl{node_id}", str(base + 1), str(base + 2), mac)


def namespace_of(pid: int) -> Path:
    """The file that stands for a process's network namespace, while the process lives."""
    return Path(f"/proc/{pid}/ns/net")


async def create(cable: Cable, pid: int) -> None:
    """Lay the cable into a process's network; the kernel removes it with the last process there.

    The MAC is fixed: an address that comes back with another one stalls.
    """
    await run(
        *("ip", "link", "add", cable.link, "type", "veth", "peer", "name", "eth0"),
        *("address", cable.mac, "netns", str(pid)),
    )
    await run("ip", "addr", "add", f"{cable.machine_address}/30", "dev", cable.link)
    await run("ip", "link", "set", cable.link, "up")
    inner = (
        f"addr add {cable.node_address}/30 dev eth0\nlink set lo up\nlink set eth0 up\n"
        f"route add default via {cable.machine_address}\n"
    )
    await run("nsenter", f"--net={namespace_of(pid)}", "ip", "-batch", "-", stdin=inner.encode())


async def remove(cable: Cable) -> None:
    """Remove the cable at once rather than when the kernel gets round to it; it may be gone already."""
    if Path(f"/sys/class/net/{cable.link}").exists():  # noqa: ASYNC240  (a file in memory: nothing to wait for)
        with contextlib.suppress(CommandFailed):
            await run("ip", "link", "del", cable.link)


async def in_use(cable: Cable) -> bool:
    """True when an address of the cable's subnet, or a route to it, is already on this machine."""
    shown = await run("ip", "-4", "route", "show", "table", "all")
    wanted = ipaddress.ip_network(f"{cable.node_address}/30", strict=False)
    for line in shown.text.splitlines():
        word = next((part for part in line.split() if part[0].isdigit()), "")
        with contextlib.suppress(ValueError):
            network = ipaddress.ip_network(word, strict=False)
            if isinstance(network, ipaddress.IPv4Network) and network.overlaps(wanted):
                return True
    return False


async def set_link(cable: Cable, *, up: bool) -> None:
    """Plug the cable in or pull it out."""
    await run("ip", "link", "set", cable.link, "up" if up else "down")


async def listen_inside(namespace: Path) -> socket.socket:
    """A socket that listens on 127.0.0.1 of that network namespace, usable from this process."""
    return await asyncio.to_thread(_listen_inside, namespace)


def _listen_inside(namespace: Path) -> socket.socket:
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def enter_and_listen() -> None:
        # A thread of its own, because entering a namespace is for a thread's life: this one ends right after.
        try:
            descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
            try:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(descriptor, _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), str(namespace))
            finally:
                os.close(descriptor)
            made.append(socket.create_server(("127.0.0.1", 0)))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=enter_and_listen, name="listen-in-namespace")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
