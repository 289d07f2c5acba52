"""Where this node's sshd listens, or systemd for it; and whether it greets."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Collection
from dataclasses import dataclass

from . import commands, sshd_settings, systemd

SERVICES = ("ssh.service", "sshd.service")
SOCKETS = ("ssh.socket", "sshd.socket")
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (what is asked for instead of every address)
_PATIENCE_SECONDS = 2.0
_BETWEEN_SECONDS = 0.05


@dataclass(frozen=True)
class Endpoint:
    """An address, perhaps any, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def serves(self, address: str) -> bool:
        """Whether who connects to this address of the node gets here."""
        return self.address in (address, "::") or (self.address in _ANY and ":" not in address)


def active(units: Collection[str]) -> str | None:
    """The first of these units that is active; None without systemd, or when none is."""
    if not systemd.is_running():
        return None
    return next((unit for unit in units if commands.attempt("systemctl", "is-active", "--quiet", unit)[0] == 0), None)


def configured() -> list[Endpoint]:
    """Where it listens: what systemd listens on where a socket of it starts sshd, or else what the configuration
    says."""
    unit = active(SOCKETS)
    if unit is not None:
        _, output, _ = commands.attempt("systemctl", "show", unit, "--property=Listen")
        found = re.findall(r"^Listen=\[?([^\]\n]*?)\]?:(\d+) \(Stream\)$", output, re.MULTILINE)
    else:
        lines = "\n".join(sshd_settings.in_force("root").every("listenaddress"))
        found = re.findall(r"^\[?([^\]\n]*?)\]?:(\d+)(?: rdomain .*)?$", lines, re.MULTILINE)
    return [Endpoint(address, int(port)) for address, port in found]


def greeting(places: Collection[Endpoint], *, seconds: float = 0.0) -> list[Endpoint]:
    """Those among them where sshd greets; those that do not are asked again until so many seconds are over, or systemd
    has given sshd up."""
    deadline = time.monotonic() + seconds
    greeted: set[Endpoint] = set()
    while True:
        greeted |= {place for place in places if place not in greeted and _greets(place)}
        if len(greeted) == len(set(places)) or time.monotonic() > deadline or (seconds and _given_up()):
            return [place for place in places if place in greeted]
        time.sleep(_BETWEEN_SECONDS)


def is_local(address: str) -> bool:
    """Whether an address is one of this machine's."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as attempt:
            attempt.bind((address, 0))
    except OSError:
        return False
    return True


def _given_up() -> bool:
    units = (*SERVICES, *SOCKETS)
    return systemd.is_running() and commands.attempt("systemctl", "is-failed", "--quiet", *units)[0] == 0


def _greets(place: Endpoint) -> bool:
    try:
        asked = (_ANY.get(place.address, place.address), place.port)
        with socket.create_connection(asked, timeout=_PATIENCE_SECONDS) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
