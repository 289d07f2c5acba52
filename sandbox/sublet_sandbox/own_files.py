"""Folders and files of ours, opened without following a link: what one leads to may be anybody's.

A node's root can put a link wherever the node's data lie, and whoever runs the node opens those with more rights.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_WRITABLE_BY_OTHERS = 0o022


class NotOurs(OSError):
    """A folder or file is not what we made: a link, another account's, or open to changes by others."""


def require_folder(folder: Path) -> None:
    """NotOurs unless it is a real folder, whoever owns it; it need not be there."""
    with suppress(FileNotFoundError):
        _require_real(folder, folder.lstat())


def require_own(folder: Path, *, by_link: bool = False, otherwise: str = "") -> None:
    """NotOurs unless it is a real folder of ours that others cannot write; it need not be there.

    With `by_link` it may be reached by a link, when that was made by us or by root. `otherwise` is what else can be
    done about one that is not.
    """
    try:
        status = folder.lstat()
        if by_link and stat.S_ISLNK(status.st_mode) and status.st_uid in {0, os.geteuid()}:
            status = folder.stat()
    except FileNotFoundError:
        return
    _require_real(folder, status, otherwise)
    if status.st_uid != os.geteuid():
        raise NotOurs(
            f"{folder} belongs to somebody else (user id {status.st_uid}). Nothing was changed. Remove it{otherwise}."
        )
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise NotOurs(
            f"{folder} can be written by others (mode {stat.S_IMODE(status.st_mode):04o}). Nothing was changed. See "
            f"that it holds nothing of theirs, then run: chmod go-w {folder}"
        )


def make_own(folder: Path, *, mode: int = 0o755, otherwise: str = "") -> None:
    """Make a folder that is ours alone to write; NotOurs if there is one that is not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=mode)
    require_own(folder, otherwise=otherwise)


def open_own(path: str, flags: int) -> int:
    """The `opener` for files of ours: what is made is ours alone, and a link is NotOurs and leads nowhere."""
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _is_link(Path(path)) from None
        raise


@contextmanager
def folder_below(root: Path, place: str, *, owner: int | None = None) -> Iterator[int]:
    """A descriptor of the folder at a place below a root; NotOurs when that, or a folder on the way, is a link.

    What is missing is made with mode 0755, and belongs to `owner` if one is given.
    """
    path, descriptor = root, _open_folder(root)
    try:
        for part in PurePosixPath(place).parts:
            path /= part
            made = _make_folder(part, descriptor)
            inner = _open_folder(path, part, descriptor)
            os.close(descriptor)
            descriptor = inner
            if made:
                os.fchmod(descriptor, 0o755)
                _give(descriptor, owner)
        yield descriptor
    finally:
        os.close(descriptor)


def put(root: Path, place: str, content: bytes, *, mode: int = 0o644, owner: int | None = None) -> None:
    """Write a file at a place below a root, instead of the file or link that is there; its folder is `folder_below`."""
    path = PurePosixPath(place)
    with folder_below(root, str(path.parent), owner=owner) as folder:
        with suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=folder)
        descriptor = os.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
            _give(descriptor, owner)


def _open_folder(path: Path, name: str | None = None, within: int | None = None) -> int:
    try:
        return os.open(path if name is None else name, _FOLDER, dir_fd=within)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            _require_real(path, os.stat(path if name is None else name, dir_fd=within, follow_symlinks=False))
        raise


def _make_folder(name: str, within: int) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=within)
    except FileExistsError:
        return False
    return True


def _give(descriptor: int, owner: int | None) -> None:
    if owner is not None:
        os.fchown(descriptor, owner, owner)


def _require_real(folder: Path, status: os.stat_result, otherwise: str = "") -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _is_link(folder, otherwise)
    if not stat.S_ISDIR(status.st_mode):
        raise NotOurs(f"{folder} is not a folder. Nothing was changed. Remove it{otherwise}.")


def _is_link(path: Path, otherwise: str = "") -> NotOurs:
    return NotOurs(
        f"{path} is a link, and what it leads to may be anybody's. Nothing was changed. Remove the link{otherwise}."
    )
