"""Accounts of this machine that programs run as, and what they can reach."""

import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def identity_of(account: Account | None) -> dict[str, Any]:
    """What `subprocess` is told so that a program runs as the account; as ourselves without one."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def run_as(account: Account | None, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script with the account's rights: in its own folders the account may have put a link to anything.

    Files that the script makes are new and private. A signal to our process group, as Ctrl-C is, does not end the
    script: whoever called it ends when it is done.
    """
    return subprocess.run(  # noqa: S603 - whoever calls wrote the script
        ["/bin/sh", "-euC", "-c", f"umask 077\n{script}", "sh", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin"},
        start_new_session=True,
        **identity_of(account),
    )
