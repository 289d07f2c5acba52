"""Confine one session; what `confinement` has pam_namespace run as root in the new session's own mount namespace.

It stands alone, as a file of its own on the node. Whatever fails ends the login; because pam_namespace takes any exit
status for success, the end has to be a violent one.
"""

import ctypes
import os
import signal
import sys

LOGINS = "/run/sublet/logins"
ROOT = "/run/sublet/root"
_GROUPS = "/sys/fs/cgroup"

_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_PROGRAMS, _AGAIN, _BIND, _ALL_BENEATH = 1, 2, 4, 8, 32, 4096, 16384
_SAFE = _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS
_DETACH = 2
_OWN = (
    ("pts", "/dev/pts"),
    ("memory/shm", "/dev/shm"),  # noqa: S108  (as below)
    ("memory/lock", "/run/lock"),
    ("tmp", "/tmp"),  # noqa: S108  (the place that is replaced by its own)
    ("var-tmp", "/var/tmp"),  # noqa: S108  (as above)
    ("passwd", "/etc/passwd"),
    ("group", "/etc/group"),
)
# Others are told of by systemd over its bus, by records of logins, and by what sublet-node keeps of them.
_HIDDEN_FOLDERS = (
    *("/run/dbus", "/run/user", "/var/lib/wtmpdb", "/var/lib/lastlog"),
    *("/etc/sublet", "/etc/security/namespace.d", "/etc/systemd/system", "/etc/systemd/system.control"),
)
_HIDDEN_FILES = (
    *("/run/utmp", "/var/log/wtmp", "/var/log/wtmp.db", "/var/log/lastlog"),
    *("/etc/passwd-", "/etc/group-", "/etc/subuid", "/etc/subgid", "/etc/subuid-", "/etc/subgid-"),
)
# And over sockets and files in /run/systemd, of which programs need only the log and the names of other machines.
_NEEDED_OF_SYSTEMD = ("journal", "resolve")

_libc = ctypes.CDLL(None, use_errno=True)


def confine(login: str) -> None:
    """Show the session the places of its login, and nothing of others; OSError when that cannot be."""
    own = f"{LOGINS}/{login}"
    with open(f"{own}/ready", encoding="ascii") as stream:
        group = f"user.slice/{stream.read().strip()}"
    for name, place in _OWN:
        _bind(f"{own}/{name}", place)
    _bind(f"{own}/homes", "/home", _ALL_BENEATH)
    for view in sorted(os.listdir(f"{own}/cgroup")):
        part = group if view == "user.slice" else f"{view}/{group}"
        if os.path.isdir(f"{_GROUPS}/{part}") and not os.path.islink(f"{own}/cgroup/{view}"):
            _bind(f"{_GROUPS}/{part}", f"{own}/cgroup/{part}")
    _bind(f"{own}/cgroup", _GROUPS, _ALL_BENEATH)
    for needed in _NEEDED_OF_SYSTEMD:
        if os.path.isdir(f"/run/systemd/{needed}"):
            _bind(f"/run/systemd/{needed}", f"{own}/systemd/{needed}")
    has_systemd = os.path.isdir("/run/systemd/system")
    _bind(f"{own}/systemd", "/run/systemd", _ALL_BENEATH)
    for folder in _HIDDEN_FOLDERS:
        if _bind(f"{own}/empty", folder):
            _mount("none", folder, "", _AGAIN | _BIND | _READ_ONLY | _SAFE)
    for file in _HIDDEN_FILES:
        _bind("/dev/null", file)
    _check(_libc.umount2(LOGINS.encode(), _DETACH), LOGINS)
    if has_systemd:  # without it nothing is bounded, and System V objects are the node's
        if os.stat("/proc/self/ns/ipc").st_ino == os.stat("/proc/1/ns/ipc").st_ino:
            raise OSError("sshd gave it no System V objects of its own")
        _mount("none", "/dev/mqueue", "mqueue", _SAFE)
    # Only its own processes are shown. And all of this is the root that sshd changes to.
    _mount("proc", "/proc", "proc", _SAFE, "hidepid=invisible")
    _bind("/", ROOT, _ALL_BENEATH)


def _bind(source: str, target: str, flags: int = 0) -> bool:
    """False when there is nothing that could be hidden or replaced."""
    if not os.path.exists(target):
        return False
    _mount(source, target, "", _BIND | flags)
    return True


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode())
    _check(_libc.mount(*arguments), target)


def _check(result: int, place: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place)


if __name__ == "__main__":
    try:
        confine(sys.argv[4])
    except BaseException as error:
        import syslog  # only here, because every login waits for what stands above

        text = f"{sys.argv[4:]} gets no session, for it cannot be kept to itself: {error}. Run enrol again."
        syslog.openlog("sublet-session", 0, syslog.LOG_AUTHPRIV)
        syslog.syslog(syslog.LOG_ERR, text)
        os.kill(os.getpid(), signal.SIGKILL)
