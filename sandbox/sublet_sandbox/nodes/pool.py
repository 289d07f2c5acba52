"""The file system of a node's homes: btrfs with simple quotas in a sparse image, so that the node can limit each.

It is mounted where the node's other mounts are, in a namespace of the node's own processes: whoever started the node
may be killed at any moment, and the kernel takes the mount and its loop device away with them.
"""

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path

from sublet_sandbox.own_files import open_own

from .commands import CommandFailed, run

IMAGE = "homes.img"
_MOST_BYTES = 64 << 30
_FREE_SECONDS = 15.0
# Simple quotas of btrfs, which btrfs-progs knows from 6.7 on only: BTRFS_IOC_QUOTA_CTL, ENABLE_SIMPLE_QUOTA.
_ENABLE = (
    "import fcntl, os, struct, sys; pool = os.open(sys.argv[1], os.O_RDONLY); "
    "fcntl.ioctl(pool, 3 << 30 | 16 << 16 | 0x94 << 8 | 40, bytearray(struct.pack('QQ', 4, 0)))"
)
_MAKE = 'mkfs.btrfs -q "$1" && mount -t btrfs -o loop,noatime "$1" "$2" && "$3" -c "$4" "$2" && umount "$2"'
# However the making ends, all that it started and mounted ends with it.
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--")


async def make(directory: Path, homes: Path) -> None:
    """Make the image once; NotOurs when a link is there. Without an image the homes are an ordinary folder.

    That is so where this kernel cannot do it, and where an earlier version made the homes, which stay as they are.
    """
    image, unfinished = directory / IMAGE, directory / f"{IMAGE}.unfinished"
    await _until_free(unfinished)
    await _until_free(image)
    unfinished.unlink(missing_ok=True)
    if image.exists() or image.is_symlink():
        os.close(open_own(str(image), os.O_RDWR))
        return
    if os.listdir(homes):
        return
    try:
        _reserve_nothing(unfinished)
        command = ("sh", "-c", _MAKE, "sh", str(unfinished), str(homes), sys.executable, _ENABLE)
        await run(*_ALONE, *command, outlives_us=False)
        await _until_free(unfinished)
        unfinished.rename(image)
    except CommandFailed:
        unfinished.unlink(missing_ok=True)


def _reserve_nothing(image: Path) -> None:
    """An image as large as what is free, which takes only what is written."""
    room = os.statvfs(image.parent)
    descriptor = open_own(str(image), os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        os.ftruncate(descriptor, min(_MOST_BYTES, room.f_bavail * room.f_frsize))
    finally:
        os.close(descriptor)


def mounting(directory: Path, homes: Path) -> list[str]:
    """The shell's command that mounts it, to be run in the node's own namespace; none without an image."""
    if not (directory / IMAGE).exists():
        return []
    return [shlex.join(["mount", "-t", "btrfs", "-o", "loop,noatime", str(directory / IMAGE), str(homes)])]


async def unmounted(directory: Path) -> None:
    """Wait until the kernel has taken the mount away, which it does a moment after the node's last process ended."""
    await _until_free(directory / IMAGE)


async def _until_free(image: Path) -> None:
    """Two loop devices over one image would damage it."""
    deadline = time.monotonic() + _FREE_SECONDS
    while _is_in_use(image):  # the kernel tells nobody
        if time.monotonic() > deadline:
            raise TimeoutError(f"{image} is still mounted after {_FREE_SECONDS:.0f} s; see losetup --list")
        await asyncio.sleep(0.01)


def _is_in_use(image: Path) -> bool:
    return any(_file_of(loop) == str(image) for loop in Path("/sys/block").glob("loop*/loop/backing_file"))


def _file_of(loop: Path) -> str:
    try:
        return loop.read_text().rstrip("\n").removesuffix(" (deleted)")
    except OSError:  # it went meanwhile
        return ""
