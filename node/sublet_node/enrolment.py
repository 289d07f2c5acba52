"""What the node knows about its own enrolment."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

from . import commands, files, leftovers, paths
from .errors import NodeError

_PSEUDO = {
    "proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "securityfs", "debugfs", "tracefs", "bpf", "pstore",
    "configfs", "fusectl", "mqueue", "hugetlbfs", "autofs", "binfmt_misc", "nfs", "nfs4", "cifs", "fuse.sshfs", "ceph",
}  # fmt: skip


@dataclass
class Enrolment:
    """The node file: which control plane, under which id, and what allocations are kept from.

    `network` has the addresses of their links to the node; it is empty where they have the node's own network.
    `io_mib` is what each may read or write in a second, 0 for any number.
    """

    node_id: str = ""
    name: str = ""
    url: str = ""
    deny: list[str] = field(default_factory=list)
    allow: list[str] = field(default_factory=list)
    network: str = ""
    io_mib: int = 0
    open_places: list[str] = field(default_factory=list)
    enrolled_at: str = ""


def read() -> Enrolment | None:
    """The node file; None before the first enrolment."""
    try:
        return Enrolment(**json.loads(paths.NODE_FILE.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        message = f"{paths.NODE_FILE} is damaged ({error}). Remove it, then enrol the node again with each --deny."
        raise NodeError("state_unreadable", message) from error


def write(enrolment: Enrolment) -> None:
    """Write the node file."""
    files.replace(paths.NODE_FILE, json.dumps(asdict(enrolment), indent=1).encode() + b"\n")


def open_places() -> list[str]:
    """Folders that anybody may write to, besides the usual ones: searched at every release."""
    known = read()
    return known.open_places if known else []


def find_open_places(limit: int = 1000) -> list[str]:
    """Search the node's own file systems once for such folders."""
    # Homes are searched at every release anyway; what logins opened there must not crowd out the node's own folders.
    usual = (*leftovers.PLACES, "/proc", "/sys", "/dev", str(paths.STATE), str(paths.HOMES))
    skip: list[str] = []
    for place in usual:
        skip += [*(["-o"] if skip else []), "-path", place]
    output = commands.run(
        *(
            "find",
            *_local_mounts(),
            "-xdev",
            "(",
            *skip,
            ")",
            "-prune",
            "-o",
            "-type",
            "d",
            "-perm",
            "-0002",
            "-print0",
        ),
        timeout_seconds=600,
        ok=(0, 1),  # 1: something vanished while it looked
    )
    return sorted({name for name in output.split("\0") if name})[:limit]


def _local_mounts() -> list[str]:
    found = []
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        for line in stream:
            _, where, kind, options = line.split(" ")[:4]
            where = where.encode().decode("unicode_escape")
            # What logins are shown, and what they store: theirs alone.
            ours = where.startswith((f"{paths.RUN}/", f"{paths.HOMES}/.sublet/", f"{paths.HOMES}/al-"))
            if not ours and kind not in _PSEUDO and "rw" in options.split(",") and os.path.isdir(where):
                found.append(where)
    return found
