"""The node as a router for the links of its allocations, and for nobody else."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from . import enrolment, files, network, paths, surroundings
from .errors import NodeError

_SWITCHES = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
_BEFORE = paths.CONFIG / "forwarded-before"
_NEW_MOUNTS, _PRIVATE = 0x00020000, 1 << 18 | 16384
_SAFE = 2 | 4 | 8
_libc = ctypes.CDLL(None, use_errno=True)


def install() -> None:
    """Let the kernel forward, by each version of IP that it speaks; NodeError when it may not. Nothing to do where
    allocations have no network of their own."""
    known = enrolment.read()
    if known is not None and known.network not in ("", network.CLOSED):
        start()


def start() -> None:
    """As `install`, whatever the node file says."""
    off = [switch for switch in _switches() if _read(switch) == "0"]
    if not _BEFORE.exists():
        on = [switch for switch in _switches() if switch not in off]
        files.replace(_BEFORE, "".join(f"{switch}\n" for switch in on).encode())
    # A router believes no announcements of other routers unless told so; this node would lose its own way.
    wanted = dict.fromkeys(off, "1")
    if any("ipv6" in switch for switch in off):
        for folder in sorted(Path("/proc/sys/net/ipv6/conf").iterdir()):
            switch = f"net/ipv6/conf/{folder.name}/accept_ra"
            if folder.name != "all" and _read(switch) == "1":
                wanted = {switch: "2", **wanted}
    _write(wanted)
    left = [switch for switch in _switches() if _read(switch) == "0"]
    if left:
        raise NodeError("forwarding_refused", f"The kernel does not let this node forward: {', '.join(left)} stays 0.")


def uninstall() -> None:
    """Forward no more, where the node did not before it was enrolled."""
    if _BEFORE.exists():
        before = _BEFORE.read_text().split()
        _write({switch: "0" for switch in _switches() if switch not in before})


def did_before() -> bool:
    """Whether the node forwarded for others when it was enrolled: then it is not for us to keep it from that."""
    return _BEFORE.exists() and "net/ipv4/ip_forward" in _BEFORE.read_text().split()


def _switches() -> list[str]:
    return [switch for switch in _SWITCHES if "ipv6" not in switch or surroundings.has_version_6()]


def _read(switch: str) -> str:
    try:
        return Path("/proc/sys", switch).read_text().strip()
    except OSError:
        return ""


def _write(values: dict[str, str]) -> None:
    """In a child with a /proc of its own, because that of a container cannot be written to."""
    values = {switch: value for switch, value in values.items() if _read(switch) not in ("", value)}
    if not values:
        return
    child = os.fork()
    if child == 0:
        try:
            if _libc.unshare(_NEW_MOUNTS) == 0:
                _libc.mount(b"none", b"/", None, ctypes.c_ulong(_PRIVATE), None)
                _libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(_SAFE), None)
            for switch, value in values.items():
                Path("/proc/sys", switch).write_text(value)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
