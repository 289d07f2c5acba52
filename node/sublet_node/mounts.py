"""The places that a login has to itself: its home, /tmp, terminals, shared memory and locks.

What is everybody's elsewhere, one login could use up for all: the kernel has so many terminals, and /dev/shm and
/run/lock so much room. Here each login has its own, of a bounded size. And where the kernel can, each place is walled
off (see `wall`), so that a release need not search the places of others. Every session of the login is shown all this
in place of the machine's; it ends with the release.
"""

from __future__ import annotations

import ctypes
import grp
import os
import time
from pathlib import Path

from . import cgroups, commands, files, paths, session, systemd, wall
from .disk import trees
from .disk.volume import volume_of
from .errors import NodeError
from .request import Subject
from .store import Store

TERMINALS = 128  # far more than people open, and few enough that the kernel's maximum (see `maxima`) serves hundreds
_LEAST_FILES, _MOST_FILES = 4096, 1 << 18  # in memory, where a release may have to search all of them
_FILES_PER_MIB = 256  # an empty file costs about 1 KiB of memory: names alone cannot take more than a quarter
_IN_MEMORY = ("shm", "lock")
_LOCK = "mounts"
_IDLE_SECONDS = 2.0
_libc = ctypes.CDLL(None, use_errno=True)


def ensure(subject: Subject, memory_mib: int, *, must_wall: bool) -> bool:
    """Make them, or give them the size that the login's memory asks for now. Safe to repeat.

    True when all that is stored on disk is walled off; NodeError when it must be and cannot.
    """
    place = of(subject.login)
    memory = place / "memory"
    room = f"size={memory_mib}m,nr_inodes={min(_MOST_FILES, max(_LEAST_FILES, memory_mib * _FILES_PER_MIB))}"
    with Store().locked(_LOCK):
        _make(paths.LOGINS, "tmpfs", "mode=0700,size=64m")
        if not _make(memory, "tmpfs", f"mode=0700,{room}", name=subject.login):
            # Named in full, so that `mount` adds no options that it finds: where ids are mapped, those may be wrong. It
            # fails when more than this is in use already, which the limit of the login's memory settles.
            commands.attempt("mount", "-t", "tmpfs", "-o", f"remount,nosuid,{room}", subject.login, str(memory))
        for name in _IN_MEMORY:
            _own(memory / name, subject.uid)
            _show(memory / name, memory / name, subject.uid)
        terminals = f"newinstance,gid={_terminal_group()},mode=620,ptmxmode=666,max={TERMINALS}"
        _make(place / "pts", "devpts", terminals, name=subject.login)
        for folder in private_places(subject):
            _own(folder, subject.uid)
        stored = (paths.HOMES / subject.login, *private_places(subject))
        shown = (place / "homes" / subject.login, place / "tmp", place / "var-tmp")
        walled = [_show(source, target, subject.uid) for source, target in zip(stored, shown)]  # noqa: B905  (Python 3.9)
        if must_wall and not all(walled):
            raise NodeError("home_unsafe", f"The home of {subject.login} cannot be kept from other logins any more.")
        _make_views(place, subject)
        # A session looks for it, and finds the name of its slice.
        files.replace(place / "ready", f"{systemd.slice_name(subject.uid)}\n".encode())
    return all(walled)


def _make_views(place: Path, subject: Subject) -> None:
    """What a session is shown of accounts, and folders for what it is shown of control groups and of systemd."""
    for folder in ("empty", "files", "journal", "systemd/system", "systemd/journal", "systemd/resolve-of-the-node"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    for name in ("passwd", "group"):
        lines = (paths.ACCOUNTS / name).read_text().splitlines(keepends=True)
        shown = [line for line in lines if not line.startswith("al-") or line.startswith(f"{subject.login}:")]
        files.replace(place / "files" / f"etc:{name}", "".join(shown).encode())
    for hidden, by in ((session.HIDDEN_FOLDERS, "../empty"), (session.HIDDEN_FILES, "/dev/null")):
        for path in hidden:
            _link(place / "files" / path[1:].replace("/", ":"), by)
    _make_view_of_names(place / "systemd" / "resolve")
    groups = place / "cgroup"
    groups.mkdir(exist_ok=True)
    for real in cgroups.hierarchies():
        view = groups / real.relative_to(cgroups.ROOT)
        if real.is_symlink():
            _link(view, os.readlink(real))
        else:
            (view / "user.slice" / systemd.slice_name(subject.uid)).mkdir(parents=True, exist_ok=True)


def _make_view_of_names(folder: Path) -> None:
    """What systemd-resolved tells, but for its stub, which listens where the node's own programs alone reach it: who
    reads where that is, is told of the servers behind it."""
    folder.mkdir(exist_ok=True)
    for name, real in (("resolv.conf",) * 2, ("stub-resolv.conf", "resolv.conf"), ("io.systemd.Resolve",) * 2):
        _link(folder / name, f"../resolve-of-the-node/{real}")


def _link(place: Path, target: str) -> None:
    if not place.is_symlink():
        place.symlink_to(target)


def remove(subject: Subject, held: frozenset[int] = frozenset()) -> None:
    """Take them away with all that is in them. Nothing of the login may run any more.

    A file system that somebody holds (`held`, by device number) is emptied and stays, with the folder that it is in:
    unmounted it would live on out of sight.
    """
    place = of(subject.login)
    memory = place / "memory"
    for below in reversed([where for where, _ in _mounts() if where.startswith(f"{place}/") and where != str(memory)]):
        if os.stat(below).st_dev not in held:
            _unmount_idle(Path(below))
    if _is_mount(memory):
        if _used_files(memory) > 1 + len(_IN_MEMORY):
            commands.attempt("find", str(memory), "-xdev", "-mindepth", "1", "-delete")
        if memory.stat().st_dev not in held:
            _unmount_idle(memory)
    if os.path.lexists(place) and not any(where.startswith(f"{place}/") for where, _ in _mounts()):
        commands.run("rm", "-rf", "--one-file-system", "--", str(place))
    trees.remove(*_unlimited(subject))


def empty_memory(subject: Subject) -> None:
    """Remove what the login left in memory; it is shown the same places as before, empty."""
    for name in _IN_MEMORY:
        folder = of(subject.login) / "memory" / name
        if folder.is_dir():
            commands.attempt("find", str(folder), "-xdev", "-mindepth", "1", "-delete")


def remove_all() -> None:
    """Take away those of every login; what they stored stays."""
    _unmount(paths.LOGINS)
    if paths.LOGINS.is_dir():
        paths.LOGINS.rmdir()


def devices(subject: Subject) -> frozenset[int]:
    """The device numbers of the login's file systems in memory, as long as they are mounted."""
    places = (of(subject.login) / "memory", of(subject.login) / "pts")
    return frozenset(os.stat(place).st_dev for place in places if _is_mount(place))


def of(login: str) -> Path:
    """Where sessions find them."""
    return paths.LOGINS / login


def private_places(subject: Subject) -> tuple[Path, Path]:
    """Where the login's own /tmp and /var/tmp really are: beside its home where that is limited, so that they count."""
    limited = volume_of(subject.login, subject.uid)
    return limited.places if limited.beside.is_dir() else _unlimited(subject)


def _unlimited(subject: Subject) -> tuple[Path, Path]:
    return (paths.PRIVATE_TMP / subject.login, paths.PRIVATE_VAR_TMP / subject.login)


def unwalled_in_memory() -> list[str]:
    """Shared memory and locks of all logins into which others might put something, if their owner helps them."""
    if not paths.LOGINS.is_dir():
        return []
    found = [place / "memory" / name for place in sorted(paths.LOGINS.iterdir()) for name in _IN_MEMORY]
    return [str(place) for place in found if place.is_dir() and not _is_walled(place)]


def _own(folder: Path, uid: int) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.own(folder, uid, mode=0o1777)  # as programs expect; only the login is shown it


def _show(source: Path, target: Path, uid: int) -> bool:
    """Whether the login is shown it walled off; where that cannot be, it is shown it without."""
    target.mkdir(parents=True, exist_ok=True)
    if _is_walled(target) or (not _is_mount(target) and wall.bind(source, target, uid)):
        return True
    if source != target:
        if not _is_mount(target):
            commands.run("mount", "--bind", str(source), str(target))
        commands.run("mount", "-o", "remount,bind,nosuid,nodev", str(target))
    return False


def _is_mount(place: Path) -> bool:
    return any(where == str(place) for where, _ in _mounts())


def _is_walled(place: Path) -> bool:
    return any(where == str(place) and "idmapped" in options for where, options in _mounts())


def _mounts() -> list[tuple[str, str]]:
    """Where something is mounted, in the order of mounting, and with what options."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [(line.split(" ")[4], line.split(" ")[5]) for line in lines]


def _make(place: Path, kind: str, options: str, *, name: str = "none") -> bool:
    """False when it was there already. By its name it is known wherever else it is mounted."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _is_mount(place):
        return False
    commands.run("mount", "-t", kind, "-o", f"nosuid,{options}", name, str(place))
    return True


def _unmount(place: Path) -> None:
    while _is_mount(place):
        if commands.attempt("umount", "--recursive", str(place))[0] != 0:
            commands.run("umount", "--lazy", str(place))  # somebody else looks into it


def _used_files(place: Path) -> int:
    space = os.statvfs(place)
    return space.f_files - space.f_ffree


def _unmount_idle(place: Path) -> None:
    """Unmount what nobody looks into; what somebody does for long stays."""
    deadline = time.monotonic() + _IDLE_SECONDS
    while _is_mount(place) and _libc.umount2(os.fsencode(place), 0) != 0 and time.monotonic() < deadline:
        time.sleep(0.05)


def _terminal_group() -> int:
    try:
        return grp.getgrnam("tty").gr_gid
    except KeyError:
        return 5
