"""Files, scheduled jobs and shared memory that a login may have left outside its home."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from . import commands, files, paths, sessions
from .errors import NodeError
from .request import Subject

# Every place a login can write to outside its home, on a node set up by the rules in protocol.md. What the node's
# owner opened to the world besides is found at enrolment and kept in the node file.
PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/var/spool", "/var/mail", "/var/lock", "/var/crash")  # noqa: S108  (these are searched, not used)
_VANISHED = ": No such file or directory"
_IPC = {"shm": "-m", "msg": "-q", "sem": "-s"}


def owned_files(uid: int, extra: list[str]) -> list[str]:
    """Every file of `uid` in those places, deepest first. NodeError when a place could not be looked into."""
    output, complaints = _find(uid, extra, "-print0")
    unseen = [line for line in complaints if not line.endswith(_VANISHED) and not _elsewhere(line)]
    if unseen:
        raise NodeError("listing_failed", f"The search for left files is not complete: {unseen[0]}", retryable=True)
    return [name for name in output.split("\0") if name] + [str(path) for path in journals(uid)]


def _elsewhere(complaint: str) -> bool:
    """True for a mount that keeps even root out, like one by FUSE: another file system, which is not searched."""
    place = complaint.partition(": ")[2].rpartition(": ")[0].strip("‘’'")
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as stream:
        return any(line.split(" ")[1] == place for line in stream)


def _find(uid: int, extra: list[str], *action: str) -> tuple[str, list[str]]:
    """What `find` printed, and what it complained of."""
    places = [place for place in (*PLACES, str(paths.STATE), str(paths.HOMES), *extra) if os.path.isdir(place)]
    if "/tmp" not in places:  # noqa: S108  (searched, not used)
        raise NodeError("listing_failed", "The node has no /tmp, so the search for left files proves nothing.")
    status, output, errors = commands.attempt(
        # -H: a place may itself be a link, like /var/lock; links inside it are never followed.
        *("find", "-H", *places, "-xdev", "-depth", "(", "-uid", str(uid), "-o", "-gid", str(uid), ")", *action),
        timeout_seconds=300,
    )
    if status not in (0, 1):  # 1: something vanished while it looked, or cannot be removed
        raise NodeError("command_failed", f"find ended with status {status}: {errors.strip()[-500:]}", retryable=True)
    return output, errors.splitlines()


def journals(uid: int) -> list[Path]:
    """What systemd's journal keeps apart for the uid: root's by owner, but the login's by content."""
    return sorted(Path("/var/log/journal").glob(f"*/user-{uid}[.@]*journal*"))


def remove_files(uid: int, extra: list[str]) -> None:
    """Remove them. What cannot be removed stays, for the check to find.

    `find` removes each where it found it, never by its path: another login may exchange a folder of that path for a
    link meanwhile, and root would remove whatever the link leads to. It also copes with names that are no text.
    """
    # What another login put into a folder of this one would keep the folder, and with it the release.
    with_all_in_it = ("-uid", str(uid), "-type", "d", "-execdir", "rm", "-rf", "--one-file-system", "--", "{}", ";")
    _find(uid, extra, "(", "-delete", "-o", *with_all_in_it, ")")
    for journal in journals(uid):
        with contextlib.suppress(OSError):
            journal.unlink()


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
