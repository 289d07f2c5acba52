"""System V objects and message queues of its own for every SSH connection, by an IPC namespace.

The kernel has so many for everybody, and no bound for one login. No PAM module can give a session that is being opened
another IPC namespace; only whoever starts the process can. So sshd starts what serves each connection through a script
of ours.
"""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path

from . import commands, files, paths, sshd, systemd
from .errors import NodeError

_FOLDER = Path("/usr/local/lib/sublet")
# What sshd up to 9.7 starts again for each connection, by its own name: argv[0].
_SSHD = _FOLDER / "sshd"
# What later ones start for each connection.
SESSION = paths.SSHD_SESSION
_DROP_IN = "50-sublet.conf"
_CLONE_NEWIPC = 0x08000000


def install() -> bool:
    """Put it in place; True when sshd has to be restarted before it counts. Nothing to do without systemd."""
    if not systemd.is_running():
        return False
    program = sshd.program()
    if sshd.has_session_program():
        files.replace(SESSION, _starts(sshd.session_program(SESSION)), mode=0o755)
        return False
    files.replace(_SSHD, _starts_again(program), mode=0o755)
    unit = sshd.unit()
    started = re.search(
        r"path=(\S+) ; argv\[\]=\S+ ?(.*?) ; ignore", commands.run("systemctl", "show", unit, "-pExecStart")
    )
    if started is None or started.group(1) != program:
        raise NodeError("sshd_started_oddly", f"{unit} does not start {program}. Let it, then enrol again.")
    text = f"[Service]\nExecStart=\nExecStart=@{program} {_SSHD} {started.group(2)}\n"
    if not files.replace(_drop_in(unit), text.encode()):
        return False
    commands.run("systemctl", "daemon-reload")
    return True


def in_place() -> bool:
    """True when sshd is told to start connections like this. Whether it does, each session looks at itself."""
    if not systemd.is_running():
        return True
    if sshd.has_session_program():
        return SESSION.exists()
    told = any(_drop_in(unit).exists() for unit in sshd.UNITS)
    return told and files.holds(_SSHD, _starts_again(sshd.program()))


def uninstall() -> None:
    """Let sshd start its connections itself again."""
    found = [_drop_in(unit) for unit in sshd.UNITS if _drop_in(unit).exists()]
    for drop_in in found:
        drop_in.unlink()
        if not any(drop_in.parent.iterdir()):
            drop_in.parent.rmdir()
    if found:
        commands.run("systemctl", "daemon-reload")
        sshd.restart()
    for script in (_SSHD, SESSION):
        files.remove(script)
    if _FOLDER.is_dir() and not any(_FOLDER.iterdir()):
        _FOLDER.rmdir()


def leave() -> None:
    """Go back from the connection's own objects to the machine's, which the helper has to look at."""
    if not systemd.is_running():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open("/proc/1/ns/ipc", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, _CLONE_NEWIPC) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "/proc/1/ns/ipc")
    finally:
        os.close(descriptor)


def _starts(program: str) -> bytes:
    return f"""#!/bin/sh
# Written by sublet-node. Where no namespace can be made, administrators still come in; allocations' sessions refuse.
unshare --ipc -- true 2>/dev/null && exec unshare --ipc -- {program} "$@"
exec {program} "$@"
""".encode()


def _starts_again(program: str) -> bytes:
    return f"""#!/bin/bash
# Written by sublet-node. sshd starts itself by this name: with -R for a connection, without it to be configured anew.
for word; do
  [ "$word" = -R ] || continue
  # Where no namespace can be made, administrators still come in; allocations' sessions refuse.
  unshare --ipc -- true 2>/dev/null && exec unshare --ipc -- {program} "$@"
  exec {program} "$@"
done
exec -a "$0" {program} "$@"
""".encode()


def _drop_in(unit: str) -> Path:
    return paths.UNITS / f"{unit}.d" / _DROP_IN
