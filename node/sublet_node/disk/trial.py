"""Trying a way of limiting disk as a login would: it writes more than it may, also where a limit might be escaped."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator

from ..errors import NodeError
from ..request import LAST_UID
from . import btrfs, trees
from .kind import Kind
from .volume import LIMITED, Volume

SIZE = 16 << 20
_UID = LAST_UID + 1  # of an allocation's kind, and never given out
_PIECE = 1 << 20
_FULL = (errno.EDQUOT, errno.ENOSPC)


def fault_of(kind: Kind) -> str:
    """What is wrong with a kind, tried with a volume of its own; "" when it keeps its promise."""
    volume = Volume(_UID, LIMITED / "trial-home", LIMITED / "trial")
    try:
        _remove(kind, volume)  # of a trial that was cut off
        kind.make(volume, SIZE)
        shown = kind.limit(volume)
        if shown != SIZE:
            return f"the kernel shows a limit of {shown} bytes where {SIZE} were set"
        with btrfs.opened(volume.home) as home:
            os.fchown(home, volume.uid, volume.uid)
            return _as_login(lambda: _fill(home))
    except (NodeError, OSError) as error:
        return f"it failed ({error})"
    finally:
        with contextlib.suppress(NodeError, OSError):
            _remove(kind, volume)


def _remove(kind: Kind, volume: Volume) -> None:
    kind.before_removal(volume)
    trees.remove(volume.home, volume.beside)
    kind.after_removal(volume)


def _as_login(act: Callable[[], str]) -> str:
    """What an act says that a process of the uid does."""
    heard, say = os.pipe()
    child = os.fork()
    if child == 0:
        said = "it could not be tried"
        try:
            os.setgroups([])
            os.setgid(_UID)
            os.setuid(_UID)
            said = act()
        except OSError as error:
            said = f"it could not be tried ({error})"
        finally:
            os.write(say, b"." + said.encode()[:1000])
            os._exit(0)
    os.close(say)
    with open(heard, "rb") as stream:
        said = stream.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return said[1:] if said else "it could not be tried"


def _fill(home: int) -> str:
    """Write more than may be, here and in a subvolume of its own; what is wrong when that goes."""
    piece, written = os.urandom(_PIECE), 0  # nothing that a file system could store in less
    with contextlib.suppress(OSError):
        btrfs.create_subvolume(home, "nested")
    for name in ("here", "nested/there"):
        try:
            with _opened(name, home) as descriptor:
                while written <= 2 * SIZE:
                    written += os.write(descriptor, piece)
        except FileNotFoundError:
            continue  # it cannot make one
        except OSError as error:
            if error.errno not in _FULL:
                return f"writing ended with {error}"
    return "" if written <= SIZE else f"{written} bytes could be written where {SIZE} are allowed"


@contextlib.contextmanager
def _opened(name: str, folder: int) -> Iterator[int]:
    descriptor = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
