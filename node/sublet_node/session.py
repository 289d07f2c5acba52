"""What a login is shown of the machine: done once, as root, in the login's own mount, network and IPC namespaces.

Every session of the login joins these (see `namespaces`), with the root below as its root.
"""

from __future__ import annotations

import ctypes
import os

LOGINS = "/run/sublet/logins"
PINS = "/run/sublet/pins"
ROOT = "/run/sublet/root"
# The login's own folder, where only root's part of a session finds it: outside of what the login is shown. The PAM
# module has the same path.
OWN = "/run/sublet/own"
GROUPS = "/sys/fs/cgroup"
JOURNALS = "/run/systemd"

_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_PROGRAMS, _AGAIN, _BIND, _ALL_BENEATH = 1, 2, 4, 8, 32, 4096, 16384
_PRIVATE, _FOLLOWING = 1 << 18, 1 << 19
_SAFE = _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS
_DETACH = 2
PLACES = (
    ("pts", "/dev/pts"),
    ("memory/shm", "/dev/shm"),  # noqa: S108  (as below)
    ("memory/lock", "/run/lock"),
    ("tmp", "/tmp"),  # noqa: S108  (the place that is replaced by its own)
    ("var-tmp", "/var/tmp"),  # noqa: S108  (as above)
)
# Others are told of by systemd over its bus, by records of logins, and by what sublet-node keeps of them.
HIDDEN_FOLDERS = (
    *("/run/dbus", "/run/user", "/run/log", "/var/lib/wtmpdb", "/var/lib/lastlog"),
    *("/etc/sublet", "/etc/systemd/system", "/etc/systemd/system.control"),
)
HIDDEN_FILES = (
    *("/run/utmp", "/var/log/wtmp", "/var/log/wtmp.db", "/var/log/lastlog"),
    *("/etc/passwd-", "/etc/group-", "/etc/subuid", "/etc/subgid", "/etc/subuid-", "/etc/subgid-"),
)
# And over sockets and files in /run/systemd, of which programs need only the names of other machines, and root's part
# of a session the log.
_NEEDED_OF_SYSTEMD = (("journal", "journal"), ("resolve", "resolve-of-the-node"))

_libc = ctypes.CDLL(None, use_errno=True)


def confine(login: str, group: str, *, own_network: bool) -> None:
    """Show the places of the login, and nothing of others; OSError when that cannot be. `group` is its slice's."""
    _mount("none", "/", "", _ALL_BENEATH | _FOLLOWING)  # what the node's owner mounts later is seen, here as elsewhere
    _mount("none", "/run", "", _ALL_BENEATH | _PRIVATE)  # but for what is mounted for others
    _unmount(PINS)
    _bind(f"{LOGINS}/{login}", OWN)
    _bind(f"{OWN}/empty", f"{OWN}/empty")
    _mount("none", f"{OWN}/empty", "", _AGAIN | _BIND | _READ_ONLY | _SAFE)
    own = f"{LOGINS}/{login}"
    for name, place in PLACES:
        _bind(f"{own}/{name}", place)
    _bind(f"{own}/homes", "/home", _ALL_BENEATH)
    for view in sorted(os.listdir(f"{own}/cgroup")):
        part = group if view == "user.slice" else f"{view}/{group}"
        if os.path.isdir(f"{GROUPS}/{part}") and not os.path.islink(f"{own}/cgroup/{view}"):
            _bind(f"{GROUPS}/{part}", f"{own}/cgroup/{part}")
    if own_network and os.path.isdir("/sys/class/net"):
        _mount("sysfs", "/sys", "sysfs", _SAFE | _READ_ONLY)  # which lists the interfaces of this network
    _bind(f"{own}/cgroup", GROUPS, _ALL_BENEATH)
    for needed, name in _NEEDED_OF_SYSTEMD:
        if os.path.isdir(f"/run/systemd/{needed}"):
            _bind(f"/run/systemd/{needed}", f"{own}/systemd/{name}")
    if os.path.isdir(f"{JOURNALS}/journal.{login}"):
        _bind(f"{JOURNALS}/journal.{login}", f"{OWN}/journal")
    _bind(f"{own}/systemd", "/run/systemd", _ALL_BENEATH)
    for name in sorted(os.listdir(f"{OWN}/files")):
        _bind(f"{OWN}/files/{name}", "/" + name.replace(":", "/"))
    _unmount(LOGINS)
    if os.path.isdir("/dev/mqueue"):
        _mount("none", "/dev/mqueue", "mqueue", _SAFE)
    # Only its own processes are shown. And all of this is the root that sshd changes to.
    _mount("proc", "/proc", "proc", _SAFE, "hidepid=invisible")
    _bind("/", ROOT, _ALL_BENEATH)
    _bind(f"{OWN}/journal", f"{ROOT}/run/systemd/journal", _ALL_BENEATH)
    _unmount(f"{ROOT}{OWN}")


def _bind(source: str, target: str, flags: int = 0) -> None:
    """Nothing where there is nothing that could be hidden or replaced."""
    if os.path.exists(target):
        _mount(source, target, "", _BIND | flags)


def _unmount(place: str) -> None:
    """With all that is mounted beneath."""
    _check(_libc.umount2(place.encode(), _DETACH), place)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode())
    _check(_libc.mount(*arguments), target)


def _check(result: int, place: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)
