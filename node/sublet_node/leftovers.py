"""Files, scheduled jobs and shared memory that a login may have left outside its home."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from . import commands, files, mounts, paths, sessions, systemd
from .disk import trees
from .disk.volume import LIMITED
from .errors import NodeError
from .request import Subject

# Every place a login can write to outside its home, on a node set up by the rules in protocol.md. What the node's
# owner opened to the world besides is found at enrolment and kept in the node file.
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/var/spool", "/var/mail", "/var/lock", "/var/crash")  # noqa: S108  (these are searched, not used)
# Folders that hold one entry for each login, named like it.
_BY_LOGIN = (paths.HOMES, LIMITED, paths.PRIVATE_TMP, paths.PRIVATE_VAR_TMP)
_JOURNAL_ON_DISK = Path("/run/systemd/journal/flushed")
_VANISHED = ": No such file or directory"
_IPC = {"shm": "-m", "msg": "-q", "sem": "-s"}


def owned_files(uid: int, extra: list[str], walled: set[str]) -> list[str]:
    """Every file of `uid` in those places, deepest first. NodeError when a place could not be looked into.

    What belongs to the logins in `walled` is not looked into: no other can have left anything there (see `wall`).
    """
    output, complaints = _find(uid, extra, walled, "-print0")
    unseen = [line for line in complaints if not line.endswith(_VANISHED) and not _elsewhere(line)]
    if unseen:
        raise NodeError("listing_failed", f"The search for left files is not complete: {unseen[0]}", retryable=True)
    return [name for name in output.split("\0") if name] + [str(path) for path in (*journals(uid), *dumps(uid))]


def _elsewhere(complaint: str) -> bool:
    """True for a mount that keeps even root out, like one by FUSE: another file system, which is not searched."""
    place = complaint.partition(": ")[2].rpartition(": ")[0].strip("‘’'")
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as stream:
        return any(line.split(" ")[1] == place for line in stream)


def _search_places(extra: list[str], walled: set[str]) -> list[str]:
    """Where to look, or the millions of files of one customer would slow the release of every other."""
    if not os.path.isdir("/tmp"):  # noqa: S108  (searched, not used)
        message = "The node has no /tmp, so the search for left files proves nothing."
        raise NodeError("listing_failed", message, retryable=True)
    # A place may itself be a link, like /var/lock. No other link is followed.
    places = [os.path.realpath(place) for place in PLACES if os.path.isdir(place)]
    places += [str(path) for path in _entries(paths.STATE) if path not in _BY_LOGIN]
    for folder in _BY_LOGIN:
        places += [str(path) for path in _entries(folder) if path.name not in walled]
    return [*places, *mounts.unwalled_in_memory(), *(place for place in extra if os.path.isdir(place))]


def _entries(folder: Path) -> Iterator[Path]:
    """What is in a folder, without other file systems that are mounted on it. Without the folder there is nothing."""
    if not folder.is_dir():
        return
    device, mounted = folder.stat().st_dev, set(trees.mount_points())
    for path in sorted(folder.iterdir()):
        if path in mounted or path == LIMITED:
            continue
        try:
            # A login's own may be a subvolume, which is as good as another file system to look at.
            if path.lstat().st_dev != device and not path.name.startswith("al-"):
                continue
        except FileNotFoundError:
            continue
        except OSError:
            pass  # `find` will say why it cannot be looked into
        yield path


def _find(uid: int, extra: list[str], walled: set[str], *action: str) -> tuple[str, list[str]]:
    """What `find` printed, and what it complained of."""
    places = _search_places(extra, walled)
    status, output, errors = commands.attempt(
        *("find", "-P", *places, "-xdev", "-depth", "(", "-uid", str(uid), "-o", "-gid", str(uid), ")", *action),
        timeout_seconds=300,
    )
    if status not in (0, 1):  # 1: something vanished while it looked, or cannot be removed
        raise NodeError("command_failed", f"find ended with status {status}: {errors.strip()[-500:]}", retryable=True)
    return output, errors.splitlines()


def journals(uid: int) -> list[Path]:
    """What systemd's journal keeps apart for the uid: root's by owner, but the login's by content."""
    return sorted(Path("/var/log/journal").glob(f"*/user-{uid}[.@]*journal*"))


def dumps(uid: int) -> list[Path]:
    """What systemd kept of the memory of programs that crashed, likewise: `core.NAME.UID.BOOT.PID.TIME`."""
    found = Path("/var/lib/systemd/coredump").glob(f"core.*.{uid}.*")
    return sorted(path for path in found if path.name.split(".")[2] == str(uid))


def remove_files(uid: int, extra: list[str], walled: set[str]) -> None:
    """Remove what `owned_files` would list. What cannot be removed stays, for the check to find.

    `find` removes each where it found it, never by its path: another login may exchange a folder of that path for a
    link meanwhile, and root would remove whatever the link leads to. It also copes with names that are no text.
    """
    # What another login put into a folder of this one would keep the folder, and with it the release.
    with_all_in_it = ("-uid", str(uid), "-type", "d", "-execdir", "rm", "-rf", "--one-file-system", "--", "{}", ";")
    stayed = ("-type", "d", "-printf", r"%p\0")
    output, _ = _find(uid, extra, walled, "(", "-delete", "-o", *with_all_in_it, "-o", *stayed, ")")
    for place in filter(None, output.split("\0")):
        trees.remove_left_subvolume(place, uid)
    for dump in dumps(uid):
        with contextlib.suppress(OSError):
            dump.unlink()
    _remove_journals(uid)


def _remove_journals(uid: int) -> None:
    """journald keeps what it has open, and the text in it, after it is unlinked; a rotation even brings it back.

    So journald is told to close all of its files on disk, and to go on with them once the login's are gone.
    """
    if journals(uid):
        if commands.attempt("journalctl", "--relinquish-var")[0] != 0:
            commands.attempt("journalctl", "--rotate")  # systemd before 244
        for journal in journals(uid):
            with contextlib.suppress(OSError):
                journal.unlink()
    # Also after a run that died between the two.
    if systemd.is_running() and not _JOURNAL_ON_DISK.exists() and os.path.isdir("/var/log/journal"):
        commands.attempt("journalctl", "--flush")


def job_files(subject: Subject) -> list[Path]:
    """Scheduled jobs by their name; `at` jobs have other names and are found as files of the uid."""
    spools = (Path("/var/spool/cron/crontabs"), Path("/var/spool/cron"))
    return [spool / subject.login for spool in spools]


def jobs(subject: Subject) -> list[str]:
    """Scheduled jobs that exist: crontabs, `at` jobs, and lingering."""
    found = [str(path) for path in job_files(subject) if os.path.lexists(path)]
    for folder in (Path("/var/spool/cron/atjobs"), Path("/var/spool/at")):
        if folder.is_dir():
            found += [str(path) for path in folder.iterdir() if path.lstat().st_uid == subject.uid]
    if sessions.lingers(subject.login):
        found.append(f"lingering of {subject.login}")
    return found


def remove_jobs(subject: Subject) -> None:
    """Remove crontabs and `at` jobs."""
    for name in jobs(subject):
        if name.startswith("/"):
            files.remove(Path(name))


def ipc(uid: int) -> list[tuple[str, str]]:
    """System V objects that the uid owns or made, as (kind, id)."""
    found = []
    for kind in _IPC:
        lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
        header = lines[0].split()
        for line in lines[1:]:
            row = dict(zip(header, line.split()))  # noqa: B905  (Python 3.9 has no `strict`)
            if str(uid) in (row["uid"], row["cuid"]):
                found.append((kind, row[header[1]]))
    return found


def remove_ipc(uid: int) -> None:
    """Remove them."""
    for kind, number in ipc(uid):
        commands.attempt("ipcrm", _IPC[kind], number)
