"""Maxima of the kernel that all allocations share, raised so that what each of them may have stays far below."""

from __future__ import annotations

import re
from pathlib import Path

from . import files

# kernel.pty.max: each login may have mounts.TERMINALS. kernel.pid_max: so many tasks as each allocation may have. The
# other two are bounded by the memory of each allocation, once they do not end before: an open file costs a quarter KiB,
# a place for an asynchronous request 32 bytes.
_WANTED = {"kernel.pty.max": 65536, "kernel.pid_max": 1 << 22, "fs.file-max": 1 << 40, "fs.aio-max-nr": 1 << 40}
DROP_IN = Path("/etc/sysctl.d/10-sublet.conf")  # early, so that what the node's owner sets there counts more


def install() -> list[str]:
    """Raise what is too low, now and at each boot; never lower anything. Returns what stayed too low, and how low."""
    raised = {name: value for name, value in _WANTED.items() if name in _raised_before() or _now(name) < value}
    # The dash: a maximum that this kernel keeps is no failure of the boot.
    lines = "".join(f"-{name} = {value}\n" for name, value in sorted(raised.items()))
    if raised:
        files.replace(DROP_IN, f"# Written by sublet-node; removed by `sublet-node unenrol`.\n{lines}".encode())
    for name, value in raised.items():
        if _now(name) < value:
            _set(name, value)
    return [f"{name} is {_now(name)}" for name, value in raised.items() if _now(name) < value]


def uninstall() -> None:
    """Raise nothing at the next boot. What is raised now may be in use."""
    files.remove(DROP_IN)


def _raised_before() -> set[str]:
    try:
        return set(re.findall(r"^-([\w.-]+) =", DROP_IN.read_text(), re.MULTILINE))
    except FileNotFoundError:
        return set()


def _file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def _now(name: str) -> int:
    return int(_file(name).read_text())


def _set(name: str, value: int) -> None:
    try:
        _file(name).write_text(str(value))
    except OSError:
        return  # in a container: `install` says what it came to
