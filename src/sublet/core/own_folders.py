"""Folders in which nobody else can change anything: what lies in them is secret, or is written with our rights."""

import errno
import os
import stat
from pathlib import Path

from sublet.core.errors import SubletError

_WRITABLE_BY_OTHERS = 0o022
_OTHERWISE = "or set SUBLET_DATA_DIR to a directory of your own that only you can write."


class NotOurs(SubletError):
    """A folder or file is not what we made: a link, another account's, or open to changes by others."""

    code = "not_ours"


def require_own(folder: Path, *, owner: int | None = None, by_link: bool = False) -> None:
    """NotOurs for a folder that is a link, that is not ours (or `owner`'s), or that others can write.

    A folder that is not there passes. With `by_link` the folder may be reached by a link that we or root have made.
    """
    try:
        status = folder.lstat()
        if by_link and stat.S_ISLNK(status.st_mode) and status.st_uid in {0, os.geteuid()}:
            status = folder.stat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise _is_link(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise NotOurs(f"{folder} is not a folder. Nothing was changed. Remove it, {_OTHERWISE}")
    if status.st_uid != (os.geteuid() if owner is None else owner):
        raise NotOurs(
            f"{folder} belongs to somebody else (user id {status.st_uid}). Nothing was changed. Let that account start "
            f"and delete what is there, {_OTHERWISE}"
        )
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise NotOurs(
            f"{folder} can be written by others (mode {stat.S_IMODE(status.st_mode):04o}). Nothing was changed. See "
            f"that it holds nothing of theirs, then run: chmod go-w {folder}; {_OTHERWISE}"
        )


def open_own(path: str, flags: int) -> int:
    """The `opener` for files that we write: a new one can be read by us alone, and a link is NotOurs, not followed."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _is_link(Path(path)) from None
        raise


def _is_link(path: Path) -> NotOurs:
    return NotOurs(
        f"{path} is a link, and what it leads to may be anybody's. Nothing was changed. Remove the link, {_OTHERWISE}"
    )
