"""Login sessions, as systemd-logind records them."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from . import authentications, cgroups, commands, processes, systemd
from .errors import NodeError

_SESSIONS = Path("/run/systemd/sessions")
_LINGER = Path("/var/lib/systemd/linger")
_ASK_AGAIN_SECONDS = 0.25


def end(uid: int, login: str, *, deadline_seconds: float = 10) -> None:
    """End every session and process of a login, also those that root runs on its behalf. NodeError when some remain."""
    name = systemd.slice_name(uid)
    if systemd.is_running():
        if os.path.lexists(_LINGER / login):
            commands.attempt("loginctl", "disable-linger", login)
            (_LINGER / login).unlink(missing_ok=True)
        cgroups.stop_forks(name)
        if cgroups.process_ids(name):
            # Also ends the part of sshd that root runs for the session, which no scan by uid would find.
            commands.attempt("systemctl", "kill", "--signal=KILL", name)
    disconnect(login, deadline_seconds=deadline_seconds)
    left = processes.end(uid, deadline_seconds=deadline_seconds)
    if left:
        names = ", ".join(f"{process.name} ({process.pid})" for process in left[:5])
        raise NodeError("processes_remain", f"These processes of {login} cannot be killed: {names}.", retryable=True)
    if systemd.is_running():
        _end_records(uid, login, deadline_seconds)


def disconnect(login: str, *, keys: Collection[str] = (), deadline_seconds: float = 10) -> None:
    """End every SSH connection of a login but those that one of `keys` is known to have opened; NodeError when some
    remain. What the login left running without a connection goes on, and what comes later came in by what counts now.
    """
    opened = {process.pid for process in processes.serving(login)}
    spared = authentications.by_keys(sorted(opened), login, keys) if keys else set()
    left = processes.end_connections(opened - spared, deadline_seconds=deadline_seconds)
    if left:
        message = (
            f"SSH connections of {login} cannot be ended: processes {', '.join(str(one.pid) for one in left[:5])}."
        )
        raise NodeError("sessions_remain", message, retryable=True)


def _end_records(uid: int, login: str, deadline_seconds: float) -> None:
    deadline = time.monotonic() + deadline_seconds
    ask_at = 0.0
    while found := of(uid):
        if time.monotonic() >= ask_at:
            # Again, because a session that was just being made misses the first. And the scopes too: logind may wait
            # for processes in one that was empty before it began to wait, and nobody tells it.
            commands.attempt("loginctl", "terminate-user", str(uid))
            commands.attempt("systemctl", "stop", "--no-block", *(f"session-{name}.scope" for name in found))
            ask_at = time.monotonic() + _ASK_AGAIN_SECONDS
        if time.monotonic() > deadline:
            raise NodeError("sessions_remain", f"systemd-logind still has a session of {login}.", retryable=True)
        time.sleep(0.01)


def of(uid: int) -> list[str]:
    """Sessions of a uid. Without systemd there are none but processes; there, a missing folder is an error."""
    if not systemd.is_running():
        return []
    try:
        names = [name for name in os.listdir(_SESSIONS) if "." not in name]
    except FileNotFoundError:
        message = f"{_SESSIONS} is missing, so sessions cannot be listed. Is systemd-logind up?"
        raise NodeError("listing_failed", message, retryable=True) from None
    found = []
    for name in names:
        try:
            text = (_SESSIONS / name).read_text()
        except FileNotFoundError:
            continue
        if f"\nUID={uid}\n" in f"\n{text}\n":
            found.append(name)
    return found


def lingers(login: str) -> bool:
    """True when systemd would start something for the login at boot."""
    return os.path.lexists(_LINGER / login)
