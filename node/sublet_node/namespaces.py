"""The network, IPC and mount namespaces of each login: made once, kept by a mount of each, joined by every session.

Whatever starts in a session, also sshd's own forwarding, is in all three. They end with the release.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from . import cgroups, children, commands, files, journal, mounts, network, paths, session, systemd
from .errors import NodeError
from .request import Subject
from .store import Store

# Mounts of the first two are to follow to wherever a service of the node copies them, so that they end there too; the
# kernel lets a mount namespace be mounted only where nothing follows, and copies it nowhere.
_KINDS = {"net": 0x40000000, "ipc": 0x08000000, "mnt": 0x00020000}
_MADE_BY = "made-by"
_MADE, _PINNED, _AGAIN, _LAID = "mpal"
_libc = ctypes.CDLL(None, use_errno=True)
# Read when the program begins: later another helper may have taken this one's place, and its archive with it.
made_as = hashlib.sha256(pkgutil.get_data(__package__, "session.py") or b"").hexdigest()


def ensure(subject: Subject, link: network.Link | None) -> bool:
    """Have the login's namespaces as this version makes them; with a network of its own when there is a link for it.
    True where that network is new, and so has no limit yet.

    Safe to repeat. What is as it should be stays, and so do the sessions in it. The login's slice has its properties.
    """
    journal.ensure(subject)
    if _is_current(subject, link):
        return False
    with Store().locked("pins"):
        _make_folders()
    kept = _kept(subject, link)
    for kind in _KINDS:
        if kind not in kept:
            _unpin(_pin(kind, subject.login))
    if "net" not in kept:
        network.cut(subject.uid)
    try:
        _make(subject, link, kept)
    except (NodeError, OSError) as error:
        remove(subject)
        said = error.message if isinstance(error, NodeError) else str(error)
        raise NodeError(
            "namespaces_failed", f"{subject.login} could not be kept to itself: {said}", retryable=True
        ) from error
    files.replace(mounts.of(subject.login) / _MADE_BY, _version(link))
    return "net" not in kept


def remove(subject: Subject) -> None:
    """Let go of them. What nobody has open any more the kernel takes away, and with the network its link."""
    for kind in _KINDS:
        _unpin(_pin(kind, subject.login))


def remove_all() -> None:
    """Let go of those of every login."""
    while paths.PINS.is_dir() and os.path.ismount(paths.PINS):
        commands.run("umount", "--recursive", "--lazy", str(paths.PINS))
    if paths.PINS.is_dir():
        paths.PINS.rmdir()


def traces(subject: Subject) -> list[str]:
    """What is left of them."""
    return [str(_pin(kind, subject.login)) for kind in _KINDS if os.path.lexists(_pin(kind, subject.login))]


def pinned(login: str) -> list[tuple[int, str]]:
    """The number of each that is the login's alone, and its pin."""
    pins = [_pin(kind, login) for kind in _KINDS]
    return [(pin.stat().st_ino, str(pin)) for pin in pins if _is_pinned(pin)]


def _pin(kind: str, login: str) -> Path:
    return paths.PINS / kind / login


def _is_pinned(path: Path) -> bool:
    """Whether a namespace is mounted there."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_dev == os.stat("/proc/self/ns/net").st_dev
    return False


def _kept(subject: Subject, link: network.Link | None) -> set[str]:
    """Those of network and IPC that can go on: the one that needs no link, or has it."""
    kept = {kind for kind in ("net", "ipc") if _is_pinned(_pin(kind, subject.login))}
    if "net" in kept:
        own = _pin("net", subject.login).stat().st_ino != os.stat("/proc/self/ns/net").st_ino
        if own != (link is not None) or (link is not None and not network.is_linked(subject.uid)):
            kept.remove("net")
    return kept


def _is_current(subject: Subject, link: network.Link | None) -> bool:
    if _kept(subject, link) != {"net", "ipc"} or not _is_pinned(_pin("mnt", subject.login)):
        return False
    if not files.holds(mounts.of(subject.login) / _MADE_BY, _version(link)):
        return False
    shown = list(_shown(subject))
    return children.run(lambda: _shows(subject, shown)) == ""


def _version(link: network.Link | None) -> bytes:
    """What the namespaces were made from: another version of the helper makes others."""
    return f"{made_as} {link}\n".encode()


def _shown(subject: Subject) -> Iterator[tuple[str, int, int]]:
    """What is to be seen at each path of the login's root: device and inode."""
    own = mounts.of(subject.login)
    pairs = [(own / name, place) for name, place in session.PLACES]
    pairs.append((own / "homes" / subject.login, f"/home/{subject.login}"))
    if journal.is_possible():
        pairs.append((journal.sockets(subject.login), "/run/systemd/journal"))
    pairs += [(group, str(group)) for group in _groups(subject)]
    for source, place in pairs:
        found = source.stat()
        yield place, found.st_dev, found.st_ino


def _groups(subject: Subject) -> list[Path]:
    own = Path("user.slice", systemd.slice_name(subject.uid))
    return [real / own for real in cgroups.hierarchies() if not real.is_symlink() and (real / own).is_dir()]


def _shows(subject: Subject, wanted: list[tuple[str, int, int]]) -> None:
    _join(_pin("mnt", subject.login), "mnt")
    for place, device, inode in wanted:
        found = os.stat(f"{session.ROOT}{place}")
        if (found.st_dev, found.st_ino) != (device, inode):
            raise OSError(f"{place} is not the login's")


def _make_folders() -> None:
    if not os.path.ismount(paths.PINS):
        paths.PINS.mkdir(mode=0o700, exist_ok=True)
        commands.run("mount", "-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=0700,size=64m", "none", str(paths.PINS))
        commands.run("mount", "--make-shared", str(paths.PINS))
    for kind in _KINDS:
        (paths.PINS / kind).mkdir(exist_ok=True)
    alone = paths.PINS / "mnt"
    if not os.path.ismount(alone):
        commands.run("mount", "-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=0700,size=64m", "none", str(alone))
        commands.run("mount", "--make-private", str(alone))


def _make(subject: Subject, link: network.Link | None, kept: set[str]) -> None:
    """A child makes them and furnishes them; meanwhile they are pinned, and the link is laid, from outside."""
    new = [kind for kind in ("net", "ipc") if kind not in kept and not (kind == "net" and link is None)]
    group = f"user.slice/{systemd.slice_name(subject.uid)}"
    linked = link if "net" in new else None
    with children.Words() as from_child, children.Words() as to_child:

        def inside() -> None:
            to_child.only_hear()
            for kind in kept:
                _join(_pin(kind, subject.login), kind)
            _check(_libc.unshare(sum(_KINDS[kind] for kind in new)), "unshare")
            _make_mounts(from_child, to_child)
            session.confine(subject.login, group, own_network=link is not None)
            if to_child.hear() == _LAID and linked is not None:
                network.furnish(linked)

        def outside(child: int) -> None:
            from_child.only_hear()
            with to_child:  # whatever becomes of this, the child does not wait for ever
                while from_child.hear() == _MADE and not _mount_namespace(child, "mnt", _pin("mnt", subject.login)):
                    to_child.say(_AGAIN)
                if not _is_pinned(_pin("mnt", subject.login)):
                    return  # the child says why
                to_child.say(_PINNED)
                for kind in ("net", "ipc"):
                    if kind not in kept and not _mount_namespace(child, kind, _pin(kind, subject.login)):
                        raise OSError(f"the kernel does not keep a namespace ({kind})")
                if linked is not None:
                    network.lay(subject.uid, linked, child)
                to_child.say(_LAID)

        said = children.run(inside, outside)
    if said:
        raise OSError(said)


def _make_mounts(from_child: children.Words, to_child: children.Words) -> None:
    """A mount namespace that can be pinned.

    The kernel pins one only in an older one, which it knows by a number. From Linux 6.18 on each processor gives out
    numbers of its own: what is made on another may seem older than the node's.
    """
    processors = sorted(os.sched_getaffinity(0))
    for processor in (None, *processors):
        if processor is not None:
            os.sched_setaffinity(0, {processor})
        _check(_libc.unshare(_KINDS["mnt"]), "unshare")
        from_child.say(_MADE)
        if to_child.hear() == _PINNED:
            os.sched_setaffinity(0, processors)
            return
    raise OSError("the kernel does not keep a namespace (mnt)")


def _mount_namespace(child: int, kind: str, pin: Path) -> bool:
    """False when the kernel takes it for one in which `pin` itself may be."""
    descriptor = os.open(pin, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o400)
    os.close(descriptor)
    source = f"/proc/{child}/ns/{kind}"
    return bool(_libc.mount(source.encode(), os.fsencode(pin), None, ctypes.c_ulong(4096), None) == 0)


def _unpin(pin: Path) -> None:
    while _is_pinned(pin):
        _check(_libc.umount2(os.fsencode(pin), 2), str(pin))
    files.remove(pin)


def _join(pin: Path, kind: str) -> None:
    descriptor = os.open(pin, os.O_RDONLY | os.O_CLOEXEC)
    _check(_libc.setns(descriptor, _KINDS[kind]), str(pin))
    os.close(descriptor)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
