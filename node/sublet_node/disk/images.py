"""Limits by an image file for each allocation: an ext4 of its own, on a loop device.

The image takes its whole size at once, so that whatever else fills the disk, what is stored in it cannot be hurt.
"""

from __future__ import annotations

import os
from pathlib import Path

from .. import commands, paths
from ..errors import NodeError
from . import trees
from .kind import Kind
from .volume import LIMITED, Volume

_PROGRAMS = ("mkfs.ext4", "resize2fs", "mount", "umount", "losetup", "fallocate")
_SECTOR = 512
_SECONDS = 120


def _why_not() -> str:
    """Why the homes cannot be limited like this, or "" when it is worth a try."""
    missing = [program for program in _PROGRAMS if not commands.installed(program)]
    if missing:
        return f"the node has no program {', '.join(missing)}"
    return "" if os.path.exists("/dev/loop-control") else "the kernel has no loop devices here"


def _make(volume: Volume, size: int) -> None:
    """Make it, or give it more room. What is an ordinary folder already stays one, without a limit."""
    image = _image(volume)
    if not image.exists():
        if os.path.lexists(volume.home) or os.path.lexists(volume.beside):
            return
        _format(image, size)
    _restore(volume)
    if image.stat().st_size < size:
        _grow(volume, image, size)


def _restore(volume: Volume) -> None:
    """Mount what there is of it, which a boot undoes."""
    image, inside = _image(volume), volume.beside / "home"
    if not image.exists():
        return
    mounted = trees.mount_points()
    if volume.beside not in mounted:
        volume.beside.mkdir(mode=0o700, exist_ok=True)
        commands.run("mount", "-o", "loop,nosuid,nodev,noatime", str(image), str(volume.beside))
        inside.mkdir(mode=0o700, exist_ok=True)
    if volume.home not in mounted:
        volume.home.mkdir(mode=0o700, exist_ok=True)
        commands.run("mount", "--bind", str(inside), str(volume.home))


def _limit(volume: Volume) -> int | None:
    """The size of the device that holds the home and all beside it, as the kernel has it; None without one."""
    try:
        device = os.stat(volume.home).st_dev
        if device != os.stat(volume.beside).st_dev or device == os.stat(paths.HOMES).st_dev:
            return None
        loop = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
        if (loop / "loop" / "backing_file").read_text().rstrip("\n") != str(_image(volume)):
            return None
        return int((loop / "size").read_text()) * _SECTOR
    except FileNotFoundError:
        return None


def _used(volume: Volume) -> int | None:
    """How many bytes it holds; None when it is not mounted."""
    if _limit(volume) is None:
        return None
    room = os.statvfs(volume.beside)
    return (room.f_blocks - room.f_bfree) * room.f_frsize


def _before_removal(volume: Volume) -> None:
    """Unmount it; NodeError while somebody has a file of it open, of which then nothing is removed."""
    if not _image(volume).exists():
        return
    for place in (volume.home, volume.beside):
        if place in trees.mount_points():
            status, _, said = commands.attempt("umount", str(place), timeout_seconds=_SECONDS)
            if status != 0:
                raise NodeError(
                    "home_held", f"{place} cannot be unmounted, for somebody holds it: {said.strip()}", retryable=True
                )


def _after_removal(volume: Volume) -> None:
    """Remove the image, with all that was ever stored in it."""
    for image in (_image(volume), _unfinished(volume)):
        if image.exists():
            image.unlink()


def _left(volume: Volume) -> list[str]:
    """The image, when it is still there."""
    return [str(image) for image in (_image(volume), _unfinished(volume)) if os.path.lexists(image)]


def _image(volume: Volume) -> Path:
    return volume.beside.with_name(f"{volume.beside.name}.img")


def _unfinished(volume: Volume) -> Path:
    return volume.beside.with_name(f"{volume.beside.name}.img.unfinished")


def _format(image: Path, size: int) -> None:
    LIMITED.mkdir(mode=0o700, exist_ok=True)
    unfinished = image.with_name(f"{image.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    commands.run("fallocate", "--length", str(size), str(unfinished), timeout_seconds=_SECONDS)
    lazily = "lazy_itable_init=1,lazy_journal_init=1,nodiscard"
    commands.run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", lazily, str(unfinished), timeout_seconds=_SECONDS)
    unfinished.rename(image)


def _grow(volume: Volume, image: Path, size: int) -> None:
    """Give it more room while it is used. Where the kernel does not let us, it keeps what it had, which shows."""
    before, device = image.stat().st_size, os.stat(volume.beside).st_dev
    loop = f"/dev/{Path(f'/sys/dev/block/{os.major(device)}:{os.minor(device)}').resolve().name}"
    commands.run("fallocate", "--length", str(size), str(image), timeout_seconds=_SECONDS)
    commands.run("losetup", "--set-capacity", loop)
    if commands.attempt("resize2fs", loop, timeout_seconds=_SECONDS)[0] != 0:
        os.truncate(image, before)
        commands.run("losetup", "--set-capacity", loop)


IMAGES = Kind(
    "an image file for each allocation",
    _why_not,
    _make,
    _limit,
    _used,
    _before_removal,
    _after_removal,
    _left,
    _restore,
)
