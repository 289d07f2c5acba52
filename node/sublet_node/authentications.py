"""Which connections of a login were let in by a key that still counts, as sshd said when it accepted each.

The login's own files and processes are everybody's who shares it, so nothing there can prove anything. The journal can:
what it says of a message's sender comes from the kernel, and only root writes as root.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence

from . import commands, systemd
from .errors import NodeError

_PROGRAMS = ("sshd", "sshd-session")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LONGEST_SECONDS = 5.0


def by_keys(pids: Sequence[int], login: str, keys: Iterable[str]) -> set[int]:
    """The root processes of sshd, of those given, that were let in by one of the keys (`type base64`).

    Empty where that cannot be shown: without systemd, with a journal that cannot be read or has forgotten, for what was
    let in by a certificate.
    """
    good = {_fingerprint(key) for key in keys} - {""}
    if not pids or not good or not systemd.is_running():
        return set()
    try:
        entries = _said_by(pids)
    except (NodeError, ValueError):
        return set()
    pattern = re.compile(
        rf"Accepted publickey for {re.escape(login)} from \S+ port \d+ ssh2: \S+ (SHA256:[A-Za-z0-9+/]+)\Z"
    )
    let_in: dict[int, set[str]] = {}
    for pid, message, at in entries:
        began = _began(pid)
        if message.startswith("Accepted ") and began is not None and at >= began:  # else it was an earlier process
            found = pattern.match(message)
            let_in.setdefault(pid, set()).add(found.group(1) if found else "")
    return {pid for pid, fingerprints in let_in.items() if fingerprints <= good}


def _said_by(pids: Sequence[int]) -> list[tuple[int, str, float]]:
    """What sshd said as these processes since the boot: process, message, seconds since the boot."""
    output = commands.run(
        *("journalctl", "--boot", "--quiet", "--output=json", "--output-fields=MESSAGE,_PID", "_UID=0"),
        *(f"_COMM={program}" for program in _PROGRAMS),
        *(f"_PID={pid}" for pid in pids),
        timeout_seconds=_LONGEST_SECONDS,
    )
    entries = []
    for line in output.splitlines():
        entry = json.loads(line)
        # A message that is not text comes as a list of bytes, and is none of those that count.
        message = entry["MESSAGE"] if isinstance(entry.get("MESSAGE"), str) else ""
        entries.append((int(entry["_PID"]), message, int(entry["__MONOTONIC_TIMESTAMP"]) / 1_000_000))
    return entries


def _began(pid: int) -> float | None:
    """When a process began, in seconds since the boot; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[19]) / _TICKS_PER_SECOND
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None


def _fingerprint(key: str) -> str:
    """As sshd writes it; empty for what is no key."""
    try:
        digest = hashlib.sha256(base64.b64decode(key.split(" ")[1], validate=True)).digest()
    except (IndexError, binascii.Error):
        return ""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
