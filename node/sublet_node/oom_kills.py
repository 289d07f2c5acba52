"""How many processes of a login the kernel has ended because the memory of the login was used up.

Version 2 counts them where the limit is, so the count stays as long as the slice does. Version 1 counts each in the
group in which the process was, a session's say, and forgets it with that group: what was counted is remembered here
until the next boot, and the kernel's log tells of those whose group went before anybody looked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import cgroups, files, kernel_log, paths, systemd

_KILLED = re.compile(r"^Memory cgroup out of memory: Killed process \d+ .*\bUID:(\d+)\b")


def count(uid: int, log: list[kernel_log.Record]) -> int | None:
    """How many since the slice was made, or since the boot; None where nobody counts them."""
    name = systemd.slice_name(uid)
    folder = cgroups.group("memory", name)
    if not systemd.is_running() or not folder.is_dir():
        return None
    if cgroups.is_version_2():
        return _counted(folder / "memory.events")
    return _remembered(uid, folder, _told(uid, log))


def forget(uid: int) -> None:
    """The login is gone."""
    files.remove(_memory(uid))


def _memory(uid: int) -> Path:
    return paths.RUN / "oom" / str(uid)


def _remembered(uid: int, folder: Path, told: int) -> int:
    """Add what each group has counted since it was last looked at."""
    before: dict[str, Any] = {"total": 0, "groups": {}}
    with contextlib.suppress(FileNotFoundError, ValueError):
        before = json.loads(_memory(uid).read_bytes())
    counted = {group: kills for group, kills in _groups(folder) if kills}
    new = sum(max(0, kills - before["groups"].get(group, 0)) for group, kills in counted.items())
    now = {"total": max(before["total"] + new, told), "groups": counted}
    if now != before:
        files.replace(_memory(uid), json.dumps(now).encode(), mode=0o600)
    return int(now["total"])


def _groups(folder: Path) -> Iterator[tuple[str, int]]:
    """The slice's groups, also those below others. One that has the name of an earlier one has another number."""
    for place, _, _ in os.walk(folder):
        with contextlib.suppress(FileNotFoundError):
            yield f"{os.stat(place).st_ino} {place}", _counted(Path(place) / "memory.oom_control")


def _told(uid: int, log: list[kernel_log.Record]) -> int:
    found = (_KILLED.match(record.text) for record in log)
    return sum(1 for match in found if match is not None and int(match.group(1)) == uid)


def _counted(path: Path) -> int:
    """The line `oom_kill N` of a group's file; 0 for a group that has just gone."""
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
