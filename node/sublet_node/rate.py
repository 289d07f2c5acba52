"""How fast a login's link is, each way: kept by the kernel on both of its ends, and read back from it."""

from __future__ import annotations

import json
import os
from typing import Any

from . import commands, network, paths
from .errors import NodeError
from .request import Subject

_BITS_OF_TRIAL = 8_000_000
_LEAST_BURST = 64 << 10
_TOLERANCE = 0.01


def ensure(subject: Subject, link: network.Link | None, bits_per_second: int) -> None:
    """Limit what comes to the login at the node's end of the link, and what goes from it at the login's own, where it
    has no right to change it. 0 lifts the limit. What cannot be done is said by `enforced`."""
    if link is None or link.network == network.CLOSED:
        return
    pin = str(paths.PINS / "net" / subject.login)
    for where, device in (((), network.name(subject.uid)), (("nsenter", f"--net={pin}"), "eth0")):
        if _shown(where, device) != bits_per_second:
            _set(where, device, bits_per_second)


def enforced(subject: Subject, link: network.Link | None, bits_per_second: int) -> list[dict[str, Any]]:
    """What the kernel keeps of it, as an entry among the limits; none where no limit is asked for."""
    if not bits_per_second:
        return []
    found, detail = 0, "The login has no link of its own, so nothing limits what it sends and gets."
    if link is not None and link.network != network.CLOSED:
        pin = str(paths.PINS / "net" / subject.login)
        ends = (_shown((), network.name(subject.uid)), _shown(("nsenter", f"--net={pin}"), "eth0"))
        found = min(ends)
        detail = f"The kernel shows {ends[0]} bit/s to the login and {ends[1]} bit/s from it (tc tbf)."
    return [
        {
            "limit": "network",
            "requested": f"{bits_per_second} bit/s",
            "value": f"{found} bit/s" if found else None,
            "enforced": _same(found, bits_per_second),
            "detail": detail,
        }
    ]


def measure(inside: int, uid: int) -> tuple[bool, str]:
    """Whether the kernel takes such a limit on both ends of a link like an allocation's, by setting one."""
    within = ("nsenter", f"--net=/proc/{os.getpid()}/fd/{inside}")
    for where, device in (((), network.name(uid)), (within, "eth0")):
        try:
            _set(where, device, _BITS_OF_TRIAL)
        except NodeError as error:
            return False, error.message
        if not _same(_shown(where, device), _BITS_OF_TRIAL):
            return False, f"The kernel does not show the limit that was set on {device} (tc tbf)."
    return True, "Tried on a link: the kernel shows a limit on both of its ends (tc tbf)."


def _set(where: tuple[str, ...], device: str, bits_per_second: int) -> None:
    if not bits_per_second:
        commands.attempt(*where, "tc", "qdisc", "del", "dev", device, "root")
        return
    burst = max(_LEAST_BURST, bits_per_second // 8 // 100)  # what passes in 10 ms
    commands.run(
        *(*where, "tc", "qdisc", "replace", "dev", device, "root", "tbf"),
        *("rate", f"{bits_per_second}bit", "burst", str(burst), "latency", "50ms"),
    )


def _shown(where: tuple[str, ...], device: str) -> int:
    """The limit as the kernel has it, in bit/s; 0 without one."""
    status, output, _ = commands.attempt(*where, "tc", "-j", "qdisc", "show", "dev", device, "root")
    if status == 0:
        try:
            for found in json.loads(output or "[]"):
                if found.get("kind") == "tbf":
                    return int(found["options"]["rate"]) * 8
        except (ValueError, KeyError, TypeError):
            return 0
    return 0


def _same(found: int, wanted: int) -> bool:
    return found > 0 and abs(found - wanted) <= wanted * _TOLERANCE
