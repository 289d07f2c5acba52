"""Which ids of this machine stand behind the ids of a namespace node.

The node's root is this user. The node's accounts 1–9999 and 65534, and its customers from 200000 up, are subordinate
ids of this user. When this user is root, the node's root is an id that nobody has, so that it has no rights outside.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .local import NodeStartFailed

_SYSTEM_IDS = 10_000
_NOBODY = 65_534
FIRST_CUSTOMER = 200_000
_NEEDED = 20_000
# Where root takes ids from, besides anything that /etc/subuid may give away: far above every usual range.
_ROOT_BASE, _ROOT_COUNT = 1_879_048_192, 1 << 20


@dataclass(frozen=True, slots=True)
class IdMap:
    """Extents as (inside, outside, count), for users and for groups."""

    users: tuple[tuple[int, int, int], ...]
    groups: tuple[tuple[int, int, int], ...]
    by_tool: bool

    @property
    def root_uid(self) -> int:
        """The id on this machine that is the node's root."""
        return self.users[0][1]

    @property
    def customers(self) -> int:
        """How many customers' uids the node has, from 200000 up."""
        return self.users[-1][2]

    async def write(self, pid: int) -> None:
        """Give the map to the process that has just made its user namespace."""
        for kind, extents in (("uid", self.users), ("gid", self.groups)):
            if self.by_tool:
                await run(f"new{kind}map", str(pid), *(str(number) for extent in extents for number in extent))
            else:
                text = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in extents)
                Path(f"/proc/{pid}/{kind}_map").write_text(text)  # noqa: ASYNC240  (a file in memory: nothing to wait for)


def own_map() -> IdMap:
    """The map for this user; NodeStartFailed, with the fix, when it has too few subordinate ids."""
    if os.geteuid() == 0:
        extents = (
            (0, _ROOT_BASE, _SYSTEM_IDS),
            (_NOBODY, _ROOT_BASE + _NOBODY, 1),
            (FIRST_CUSTOMER, _ROOT_BASE + FIRST_CUSTOMER, _ROOT_COUNT - FIRST_CUSTOMER),
        )
        return IdMap(extents, extents, by_tool=False)
    users, groups = subordinate("/etc/subuid"), subordinate("/etc/subgid")
    if users is None or groups is None:
        raise NodeStartFailed(missing_ids())
    return IdMap(_extents(os.geteuid(), *users), _extents(os.getegid(), *groups), by_tool=True)


def missing_ids() -> str:
    """What to tell a user without subordinate ids."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    return (
        f"user {name} has no range of at least {_NEEDED} ids in /etc/subuid and /etc/subgid. "
        f"As root: usermod --add-subuids 524288-589823 --add-subgids 524288-589823 {name}"
    )


def subordinate(path: str) -> tuple[int, int] | None:
    """This user's first range in /etc/subuid or /etc/subgid that is large enough, as (first, count)."""
    try:
        names = {str(os.geteuid()), pwd.getpwuid(os.geteuid()).pw_name}
        lines = Path(path).read_text().splitlines()
    except (KeyError, OSError):
        return None
    for line in lines:
        parts = line.split(":")
        if len(parts) == 3 and parts[0] in names and int(parts[2]) >= _NEEDED:
            return int(parts[1]), int(parts[2])
    return None


def _extents(root: int, first: int, count: int) -> tuple[tuple[int, int, int], ...]:
    system = _SYSTEM_IDS - 1
    return (
        (0, root, 1),
        (1, first, system),
        (_NOBODY, first + system, 1),
        (FIRST_CUSTOMER, first + system + 1, count - system - 1),
    )
