"""A log of its own for each login, kept by a journald of its own: what it writes there is in no log of the node.

So nobody takes its lines for the node's, whatever name they bear, and however much it writes, it loses its own oldest
lines and nobody else's. That journald runs within the limits of the login. Its log is in memory; it ends with the
release. A login of a node without such journals (systemd before 245) has no log at all.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import commands, files, paths, systemd
from .request import Subject

_TEMPLATES = ("/usr/lib/systemd/system", "/lib/systemd/system")
_KEPT = Path("/run/log/journal")
_UNITS = Path("/run/systemd/system")
_SETTINGS = "50-sublet.conf"
# journald takes up to twice as many lines while it has room.
MOST_MIB, _MOST_LINES, _SECONDS, _MOST_STREAMS = 16, 5000, 30, 1024
_JOURNAL = f"""[Journal]
Storage=volatile
RuntimeMaxUse={MOST_MIB}M
RuntimeMaxFileSize={MOST_MIB // 4}M
RateLimitIntervalSec={_SECONDS}s
RateLimitBurst={_MOST_LINES // 2}
SplitMode=none
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToKMsg=no
ForwardToConsole=no
ForwardToWall=no
"""
# A stream is an open connection, and so a descriptor. Who opens them all keeps journald from removing old files, and
# has as much of a log as of memory.
_SERVICE = (
    f"[Service]\nSlice={{}}\nLogsDirectory=\nLimitNOFILE={_MOST_STREAMS}\nFileDescriptorStoreMax={_MOST_STREAMS}\n"
)
_SOCKET = "[Unit]\nStopWhenUnneeded=no\n"


def ensure(subject: Subject) -> None:
    """Have the sockets there that the login writes to. The journald behind them starts with the first line."""
    if is_possible():
        _KEPT.mkdir(parents=True, exist_ok=True)  # which is hidden from logins where it is there
        for path, content in _settings(subject).items():
            files.replace(path, content.encode())
        commands.run("systemctl", "start", _unit(subject.login, "socket"))


def remove(subject: Subject) -> None:
    """End it, and remove what it wrote; nobody else has anything of it open."""
    _remove(subject.login)


def remove_all() -> None:
    """Take away those of every login."""
    for place in paths.JOURNALS.glob("journal.al-*"):
        _remove(place.name.partition(".")[2])


def sockets(login: str) -> Path:
    """Where its sockets are, outside of what the login is shown."""
    return paths.JOURNALS / f"journal.{login}"


def traces(login: str) -> list[str]:
    """What is left of it."""
    return [str(path) for path in _places(login) if os.path.lexists(path)]


def is_possible() -> bool:
    """Whether this node's systemd can keep one for each login."""
    return systemd.is_running() and any(Path(folder, "systemd-journald@.socket").exists() for folder in _TEMPLATES)


def capability() -> tuple[bool, str]:
    """Whether what logins write is kept from the node's own log, and how."""
    if not systemd.is_running():
        return True, "This node has no journal, and logins have no log."
    if not is_possible():
        return True, "systemd before 245 keeps one journal only, so logins have no log."
    return True, (
        f"Each login has a journal of its own: {MOST_MIB} MiB, {_MOST_LINES} lines in {_SECONDS} s of each session, "
        f"{_MOST_STREAMS} streams."
    )


def _unit(login: str, kind: str) -> str:
    return f"systemd-journald@{login}.{kind}"


def _settings(subject: Subject) -> dict[Path, str]:
    login = subject.login
    return {
        paths.JOURNALS / f"journald@{login}.conf.d" / _SETTINGS: _JOURNAL,
        _UNITS / f"{_unit(login, 'service')}.d" / _SETTINGS: _SERVICE.format(systemd.slice_name(subject.uid)),
        _UNITS / f"{_unit(login, 'socket')}.d" / _SETTINGS: _SOCKET,
    }


def _places(login: str) -> Sequence[Path]:
    of_units = [_UNITS / f"{_unit(login, kind)}.d" for kind in ("service", "socket")]
    return [
        *of_units,
        paths.JOURNALS / f"journald@{login}.conf.d",
        sockets(login),
        *_KEPT.glob(f"*.{login}"),
    ]


def _remove(login: str) -> None:
    if not re.fullmatch(r"al-[a-z0-9]{16}", login) or not traces(login):
        return
    units = (_unit(login, "socket"), f"systemd-journald-varlink@{login}.socket", _unit(login, "service"))
    commands.attempt("systemctl", "stop", *units)
    commands.attempt("systemctl", "reset-failed", *units)
    for place in _places(login):
        shutil.rmtree(place, ignore_errors=True)
