"""Accounts of this machine that programs run as, and what they can reach."""

import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is not the current one."""

    name: str
    uid: int
    gid: int

    def may_enter(self, path: Path) -> bool:
        """Whether the account may enter every directory on the way to `path`, and `path` if it is one."""
        for directory in [*reversed(path.resolve().parents), path.resolve()]:
            if not directory.exists():
                continue
            status = directory.stat()
            of_others = stat.S_IXGRP if status.st_gid == self.gid else stat.S_IXOTH
            needed = stat.S_IXUSR if status.st_uid == self.uid else of_others
            if stat.S_ISDIR(status.st_mode) and not status.st_mode & needed:
                return False
        return True
