"""What the kernel offers for btrfs and programs of every distribution do not: its own calls.

Everything goes by numbers, never by names: names are the customer's, and a listing of them could say anything.
Numbers and layouts are those of linux/btrfs.h and linux/btrfs_tree.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FIRST_INODE = 256  # of each subvolume: its top folder
_ROOTS, _QUOTAS = 1, 8
_INODE_REF, _ROOT_ITEM, _ROOT_REF, _QGROUP_RELATION = 12, 132, 156, 246
_MOST = (1 << 64) - 1
_FIRST_ID = 256
_LEVEL = 48
_INHERIT, _BY_ID = 4, 16  # flags of the calls for subvolumes
_LIMITS_REFERENCED = 1
_READ_ONLY = 2
_ARGUMENTS = 4096


def _number(direction: int, number: int, size: int) -> int:
    return (direction << 30) | (size << 16) | (0x94 << 8) | number


_WRITE, _READ, _BOTH = 1, 2, 3
_TREE_SEARCH = _number(_BOTH, 17, _ARGUMENTS)
_INO_LOOKUP = _number(_BOTH, 18, _ARGUMENTS)
_SUBVOL_CREATE = _number(_WRITE, 24, _ARGUMENTS)
_SUBVOL_GETFLAGS = _number(_READ, 25, 8)
_SUBVOL_SETFLAGS = _number(_WRITE, 26, 8)
_FS_INFO = _number(_READ, 31, 1024)
_QGROUP_CREATE = _number(_WRITE, 42, 16)
_QGROUP_LIMIT = _number(_READ, 43, 48)
_SNAP_DESTROY = _number(_WRITE, 63, _ARGUMENTS)
_SYNC = 0x9408


class Child(NamedTuple):
    """A subvolume and the folder it lies in: the id of that folder's subvolume, its inode there, and the name."""

    id: int
    parent: int
    folder: int
    name: bytes


@contextlib.contextmanager
def opened(place: Path, *, by_link: bool = False) -> Iterator[int]:
    """A folder, opened for the calls below; with `by_link` its name may be a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(place, flags if by_link else flags | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_btrfs(descriptor: int) -> bool:
    """Whether an open file or folder lies on btrfs."""
    return _identity(descriptor) != ""


def subvolume_of(descriptor: int) -> int:
    """The id of the subvolume in which an open folder lies."""
    arguments = bytearray(struct.pack("QQ", 0, FIRST_INODE).ljust(_ARGUMENTS, b"\0"))
    fcntl.ioctl(descriptor, _INO_LOOKUP, arguments)
    return int(struct.unpack_from("Q", arguments)[0])


def is_subvolume(descriptor: int) -> bool:
    """Whether an open folder is the top of a subvolume."""
    return os.fstat(descriptor).st_ino == FIRST_INODE and is_btrfs(descriptor)


def create_subvolume(descriptor: int, name: str, group: int | None = None) -> None:
    """Make a subvolume in an open folder; with a group it counts there from its first byte on."""
    head = struct.pack("qQQQQQQ", 0, 0, 0, 0, 0, 0, 0)
    if group is not None:
        inherit = struct.pack("4Q5QQ", 0, 1, 0, 0, *(0,) * 5, group)
        kept = ctypes.create_string_buffer(inherit, len(inherit))
        head = struct.pack("qQQQQQQ", 0, 0, _INHERIT, len(inherit), ctypes.addressof(kept), 0, 0)
    fcntl.ioctl(descriptor, _SUBVOL_CREATE, bytearray((head + name.encode()).ljust(_ARGUMENTS, b"\0")))


def children(descriptor: int, subvolume: int) -> list[Child]:
    """The subvolumes that lie directly in another."""
    found = _search(descriptor, _ROOTS, (subvolume, _ROOT_REF, 0), (subvolume, _ROOT_REF, _MOST))
    return [Child(child, subvolume, struct.unpack_from("Q", data)[0], _name_in(data, 16)) for _, child, data in found]


def lies_below(descriptor: int, subvolume: int, folder: int, top: int) -> bool:
    """Whether a folder of a subvolume is, or lies below, another of the same; both by their inodes."""
    while folder not in (top, FIRST_INODE):
        found = _search(descriptor, subvolume, (folder, _INODE_REF, 0), (folder, _INODE_REF, _MOST))
        folder = next((parent for _, parent, _ in found), FIRST_INODE)
    return folder == top


def destroy_subvolume(descriptor: int, child: Child) -> None:
    """Delete a subvolume, read-only or not, wherever it lies. It must hold no other."""
    head = struct.pack("qQQQQQQQ", 0, 0, _BY_ID, 0, 0, 0, 0, child.id)
    fcntl.ioctl(descriptor, _SNAP_DESTROY, bytearray(head.ljust(_ARGUMENTS, b"\0")))


def make_writable(descriptor: int, chain: list[Child]) -> None:
    """Take away that a subvolume can only be read: the last of those that lie in each other from an open folder on."""
    opened = _open_top(descriptor, chain)
    try:
        flags = bytearray(8)
        fcntl.ioctl(opened, _SUBVOL_GETFLAGS, flags)
        writable = struct.unpack("Q", flags)[0] & ~_READ_ONLY
        fcntl.ioctl(opened, _SUBVOL_SETFLAGS, struct.pack("Q", writable))
    finally:
        os.close(opened)


def exists(descriptor: int, subvolume: int) -> bool:
    """Whether the file system still has a subvolume, be it one that was deleted and is not cleaned away yet."""
    return any(True for _ in _search(descriptor, _ROOTS, (subvolume, _ROOT_ITEM, 0), (subvolume, _ROOT_ITEM, _MOST)))


def commit(descriptor: int) -> None:
    """Write the file system's present state to its disk, after which what was deleted is cleaned away."""
    fcntl.ioctl(descriptor, _SYNC)


def group_of(uid: int) -> int:
    """The number of an allocation's quota group, which is one above those of subvolumes."""
    return (1 << _LEVEL) | uid


def make_group(descriptor: int, group: int) -> None:
    """Make a quota group; one that is there stays."""
    with contextlib.suppress(FileExistsError):
        fcntl.ioctl(descriptor, _QGROUP_CREATE, struct.pack("QQ", 1, group))


def remove_group(descriptor: int, group: int) -> bool:
    """Remove a quota group; False while it still counts something, or has members."""
    try:
        fcntl.ioctl(descriptor, _QGROUP_CREATE, struct.pack("QQ", 0, group))
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def limit_group(descriptor: int, group: int, size: int | None) -> None:
    """Set how many bytes a group may hold; None lifts the limit."""
    wanted = _MOST if size is None else size  # all bits set clears it
    fcntl.ioctl(descriptor, _QGROUP_LIMIT, bytearray(struct.pack("6Q", group, _LIMITS_REFERENCED, wanted, 0, 0, 0)))


def members(descriptor: int, group: int) -> list[int]:
    """The groups that count in another: those of subvolumes have the ids of these."""
    found = _search(descriptor, _QUOTAS, (group, _QGROUP_RELATION, 0), (group, _QGROUP_RELATION, _MOST))
    return [member for _, member, _ in found if member < group]


def group_files(descriptor: int, group: int) -> Path:
    """Where the kernel shows a group, as long as it exists."""
    return _quotas(descriptor) / f"{group >> _LEVEL}_{group & ((1 << _LEVEL) - 1)}"


def limit_of(descriptor: int, group: int) -> int | None:
    """The limit of a group in bytes, as the kernel shows it; None when it has none or there is no such group."""
    files = group_files(descriptor, group)
    try:
        limited = int((files / "limit_flags").read_text()) & _LIMITS_REFERENCED
        return int((files / "max_referenced").read_text()) if limited else None
    except FileNotFoundError:
        return None


def held_by(descriptor: int, group: int) -> int | None:
    """How many bytes a group counted at the file system's last commit; None when there is no such group."""
    try:
        return int((group_files(descriptor, group) / "referenced").read_text())
    except FileNotFoundError:
        return None


def quota_mode(descriptor: int) -> str:
    """`squota` or `qgroup` as the kernel names it, or "" when quotas are off or the kernel does not tell."""
    try:
        quotas = _quotas(descriptor)
        if (quotas / "enabled").read_text().strip() != "1":
            return ""
        return (quotas / "mode").read_text().strip()
    except FileNotFoundError:
        return ""


def _quotas(descriptor: int) -> Path:
    return Path("/sys/fs/btrfs", _identity(descriptor), "qgroups")


def _identity(descriptor: int) -> str:
    """The name that the kernel gives the file system in /sys; "" where it is no btrfs."""
    answer = bytearray(1024)
    try:
        fcntl.ioctl(descriptor, _FS_INFO, answer)
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
            raise
        return ""
    digits = bytes(answer[16:32]).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _open_top(descriptor: int, chain: list[Child]) -> int:
    """Open the top of a subvolume by way of those it lies in, the outermost first, without following a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = os.dup(descriptor)
    for child in chain:
        for name in [*_names_down_to(opened, child), child.name]:
            try:
                inner = os.open(name, flags, dir_fd=opened)
            finally:
                os.close(opened)
            opened = inner
    return opened


def _names_down_to(descriptor: int, child: Child) -> list[bytes]:
    """The names of the folders from an open one of the subvolume's parent down to the one that it lies in."""
    names, folder, top = [], child.folder, os.fstat(descriptor).st_ino
    while folder not in (top, FIRST_INODE):
        key = (folder, _INODE_REF)
        _, above, data = next(_search(descriptor, child.parent, (*key, 0), (*key, _MOST)))
        names.append(_name_in(data, 8))
        folder = above
    return names[::-1]


def _name_in(data: bytes, at: int) -> bytes:
    size = struct.unpack_from("H", data, at)[0]
    return data[at + 2 : at + 2 + size]


def _search(
    descriptor: int, tree: int, first: tuple[int, int, int], last: tuple[int, int, int]
) -> Iterator[tuple[int, int, bytes]]:
    """The items of a tree between two keys, as (object, offset, data)."""
    while True:
        arguments = bytearray(_ARGUMENTS)
        struct.pack_into(
            "7Q4I", arguments, 0, tree, first[0], last[0], first[2], last[2], 0, _MOST, first[1], last[1], 4096, 0
        )
        try:
            fcntl.ioctl(descriptor, _TREE_SEARCH, arguments)
        except FileNotFoundError:
            return  # the tree itself is not there
        count = struct.unpack_from("I", arguments, 64)[0]
        at = 104
        for _ in range(count):
            _, item, offset, kind, size = struct.unpack_from("QQQII", arguments, at)
            at += 32
            yield item, offset, bytes(arguments[at : at + size])
            at += size
        if not count or offset == _MOST:
            return
        first = (item, kind, offset + 1)
