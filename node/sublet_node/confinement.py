"""What keeps a login to itself: a /tmp, terminals and shared memory of its own, a /proc that shows only its own, no
word from systemd about others, no setuid files of other logins, no cron, no user manager.

All of it hangs on the session, by pam_namespace, so that the rest of the node stays as it was.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import files, mounts, paths
from .request import FIRST_UID, Subject

SESSION_SCRIPT = paths.NAMESPACES / "sublet-session"
_SCRIPT = f"""#!/bin/sh
# Called by pam_namespace as root, in the new session's own mount namespace. Whatever fails ends the login; because
# pam_namespace takes any exit status for success, the end has to be a violent one.
refuse() {{
  echo "sublet: $login gets no session, because it cannot be kept to itself ($1). Run sublet-node enrol again." >&2
  kill -KILL $$
}}
login=$4
own={paths.LOGINS}/$login
[ -e "$own/ready" ] || refuse "it has no places of its own"
mount --bind "$own/pts" /dev/pts || refuse terminals
mount --bind "$own/shm" /dev/shm || refuse "shared memory"
[ ! -d /run/lock ] || mount --bind "$own/lock" /run/lock || refuse locks
mount --bind "$own/tmp" /tmp || refuse /tmp
mount --bind "$own/var-tmp" /var/tmp || refuse /var/tmp
mount --rbind "$own/homes" /home || refuse homes
umount --lazy {paths.LOGINS} || refuse "places of others"
# System V objects are the connection's: see connections.py. Without systemd they are the node's; nothing is bounded.
if [ -d /run/systemd/system ]; then
  [ -e /proc/1/ns/ipc ] && [ ! /proc/self/ns/ipc -ef /proc/1/ns/ipc ] || refuse "it has no System V objects of its own"
  [ ! -d /dev/mqueue ] || mount -t mqueue -o nosuid,nodev,noexec none /dev/mqueue || refuse "message queues"
fi
# Who else is here and what they run is told by more than /proc: by systemd over its bus, and by records of logins.
for told in /run/dbus/system_bus_socket /run/utmp /var/log/wtmp /var/log/lastlog; do
  [ ! -e "$told" ] || mount --bind /dev/null "$told" || refuse "$told"
done
for told in /run/systemd/sessions /run/systemd/users; do
  [ ! -d "$told" ] || mount -t tmpfs -o ro,nosuid,nodev,noexec,size=4k,mode=0555 none "$told" || refuse "$told"
done
# Show the login only its own processes.
mount -t proc -o nosuid,nodev,noexec,hidepid=invisible proc /proc || refuse processes
# All of it is the root that sshd changes to.
mount --rbind / {paths.SESSION_ROOT} || refuse "its root"
""".encode()
_OPEN_FILES = 16384
# A job that cron or at starts would run outside the login's slice, without its limits.
_OUTSIDE_THE_SLICE = ("cron", "crond", "atd")


def install() -> list[str]:
    """Prepare the node; returns what was changed."""
    changed = []
    for folder in (paths.PRIVATE_TMP, paths.PRIVATE_VAR_TMP):
        folder.mkdir(parents=True, exist_ok=True)
        os.chmod(folder, 0o700)
    if files.replace(SESSION_SCRIPT, _SCRIPT, mode=0o755):
        changed.append(str(SESSION_SCRIPT))
    files.replace(paths.OPEN_FILES, f"* hard nofile {_OPEN_FILES}\n".encode())
    session = [
        f"session [success=ignore default=2] pam_succeed_if.so quiet uid >= {FIRST_UID}",
        f"session required pam_limits.so conf={paths.OPEN_FILES}",
        "session required pam_namespace.so mount_private",
    ]
    if files.add_block(paths.PAM / "sshd", session):
        changed.append(str(paths.PAM / "sshd"))
    for service in _OUTSIDE_THE_SLICE:
        path = paths.PAM / service
        rule = [f"account required pam_succeed_if.so quiet uid < {FIRST_UID}"]
        if path.exists() and files.add_block(path, rule, at_top=True):
            changed.append(str(path))
    return changed


def uninstall() -> None:
    """Undo `install`."""
    for service in ("sshd", *_OUTSIDE_THE_SLICE):
        files.remove_block(paths.PAM / service)
    files.remove(SESSION_SCRIPT)
    mounts.remove_all()


def in_place() -> bool:
    """True when every new session of an allocation gets its own /tmp and /proc."""
    library = any(Path("/").glob("lib*/**/security/pam_namespace.so")) or any(
        Path("/usr").glob("lib*/**/security/pam_namespace.so")
    )
    try:
        current = SESSION_SCRIPT.read_bytes() == _SCRIPT
    except FileNotFoundError:
        current = False
    return library and current and files.has_block(paths.PAM / "sshd")


def confine(subject: Subject) -> None:
    """Let its sessions be kept to its own places, and keep systemd from running anything for it outside them."""
    # pam_namespace mounts something on the root of sessions, in which nobody can do anything, and calls our script.
    line = f"{paths.SESSION_ROOT} tmpfs tmpfs:iscript={SESSION_SCRIPT.name} ~{subject.login}\n"
    files.replace(namespace_file(subject), line.encode())
    for mask in masks(subject.uid):
        if not mask.is_symlink():
            mask.parent.mkdir(parents=True, exist_ok=True)
            mask.symlink_to("/dev/null")


def release(subject: Subject) -> None:
    """Take the rules away, and its own places with all that is in them."""
    files.remove(namespace_file(subject))
    for mask in masks(subject.uid):
        files.remove(mask)
    mounts.remove(subject)


def traces(subject: Subject) -> list[str]:
    """What is left of that."""
    places = (*mounts.private_places(subject), mounts.of(subject.login))
    return [str(path) for path in (namespace_file(subject), *masks(subject.uid), *places) if os.path.lexists(path)]


def namespace_file(subject: Subject) -> Path:
    """The login's pam_namespace rules."""
    return paths.NAMESPACES / f"{subject.login}.conf"


def masks(uid: int) -> tuple[Path, Path]:
    """Links that keep systemd from starting a user manager and a runtime directory for a login.

    A manager would run its processes outside the session's private places; the directory would outlive the session.
    """
    return (paths.UNITS / f"user@{uid}.service", paths.UNITS / f"user-runtime-dir@{uid}.service")
