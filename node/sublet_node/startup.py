"""What an allocation was launched with: its variables, and a script that runs once as its customer.

Both lie in one folder for each login, which nobody but root reads. Every session is given the variables by the PAM
module. The script is run by a watcher, a process of its own, so that whoever asked for it waits for nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import commands, files, moment, paths, request, systemd
from .errors import NodeError, used_up
from .request import Subject
from .store import Store, known

KEPT_BYTES = 64 << 10
"""So much of what a script wrote is kept: the last of it."""
_END_SECONDS = 5.0
_STOPPED_BY = "stopped-by"
_LIMITS = ("--property=CPUQuota=25%", "--property=MemoryMax=64M", "--property=TasksMax=8")
"""Of a watcher, which is in no login's group: what a script writes is work for it."""


@dataclass
class Run:
    """How a script fares: `waiting`, `running` or `ended`. It never goes back, so that it runs once.

    `ended_by` is `exit` (with its code), `signal` (with its number), `suspended`, `interrupted` (the node or its
    watcher ended first) or `refused` (it could not be begun, and `detail` says why).
    """

    state: str = "waiting"
    boot_id: str = ""
    began_at: str | None = None
    ended_at: str | None = None
    ended_by: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""
    output_bytes: int = 0


def folder(login: str) -> Path:
    """Where what belongs to a login lies."""
    return paths.STARTS / login


def set_variables(subject: Subject, variables: dict[str, str]) -> None:
    """Give every session from now on these variables, and no others of ours."""
    path = folder(subject.login) / "environment"
    if not variables:
        files.remove(path)
        return
    _make_folder(subject.login)
    lines = (f"{name}={value}".encode("utf-8", "replace") + b"\0" for name, value in sorted(variables.items()))
    files.replace(path, b"".join(lines), mode=0o600)


def start(store: Store, params: dict[str, Any], generation: Any) -> dict[str, Any]:
    """Run the script if it was never begun, and answer with how it fares; waits for nothing of it. Safe to repeat."""
    subject, script = request.subject(params), request.script(params)
    with store.locked(subject.allocation):
        record = store.check(subject, generation)
        if record.state != "active" or record.intent:
            raise NodeError(
                "not_active",
                f"{subject.allocation} is not active here, so its script does not run yet.",
                retryable=True,
            )
        if not _path(subject.login).exists():
            _make_folder(subject.login)
            files.replace(folder(subject.login) / "script", script, mode=0o600)
            write(subject.login, Run())
        if look(subject.login).state == "waiting":
            _watch(subject.login)
        return asdict(look(subject.login))


def started(store: Store, params: dict[str, Any]) -> dict[str, Any]:
    """How the script fares, and the last of what it wrote; `state` is `unknown` where none was ever sent."""
    subject = request.subject(params)
    if store.get(subject.allocation) is None or not _path(subject.login).exists():
        return {**asdict(Run(state="unknown")), "output": ""}
    run, output = look(subject.login), b""
    with contextlib.suppress(FileNotFoundError):
        output = (folder(subject.login) / "output").read_bytes()[-KEPT_BYTES:]
    return {**asdict(run), "output": output.decode("utf-8", "replace")}


def look(login: str) -> Run:
    """How it fares. What runs by its record and has no watcher any more was interrupted, for good."""
    run = read(login)
    if run.state != "running":
        return run
    with being_watched(login) as free:
        if not free:
            return run
        run = read(login)  # it may have ended in between
        if run.state == "running":
            _end_interrupted(login, run)
        return run


def note_stop(login: str, why: str) -> None:
    """Say why what runs is about to be ended, so that its watcher can tell. It is ended whether that can be said or
    not."""
    with contextlib.suppress(NodeError, OSError):
        if _path(login).exists() and read(login).state == "running":
            files.replace(folder(login) / _STOPPED_BY, why.encode(), mode=0o600)


def forget_stop(login: str) -> None:
    """What was to be ended had not begun."""
    files.remove(folder(login) / _STOPPED_BY)


def stopped_by(login: str) -> str | None:
    """Why it was ended, if somebody said so."""
    with contextlib.suppress(FileNotFoundError):
        return (folder(login) / _STOPPED_BY).read_text()
    return None


def remove(subject: Subject) -> None:
    """Take all of it away; what the script ran has ended before, so that its watcher only has that left to note."""
    place = folder(subject.login)
    if not os.path.lexists(place):
        return
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        with being_watched(subject.login) as free:
            if free:
                break
        time.sleep(0.02)
    shutil.rmtree(place, ignore_errors=True)  # what stays is for the evidence to find


def traces(subject: Subject) -> list[str]:
    """What is left of it."""
    return [str(folder(subject.login))] if os.path.lexists(folder(subject.login)) else []


def read(login: str) -> Run:
    """The record of the run; NodeError when it cannot be read."""
    try:
        return Run(**known(Run, json.loads(_path(login).read_bytes())))
    except OSError as error:
        message = f"The record {_path(login)} cannot be read ({error})."
        raise used_up(error) or NodeError("state_unreadable", message) from error
    except (ValueError, TypeError) as error:
        raise NodeError("state_unreadable", f"The record {_path(login)} is damaged ({error}).") from error


def write(login: str, run: Run) -> None:
    """Keep it, durably."""
    files.replace(_path(login), json.dumps(asdict(run)).encode(), mode=0o600)


@contextlib.contextmanager
def being_watched(login: str) -> Iterator[bool]:
    """Whether the watcher's place is free, taken meanwhile if it is: the kernel gives it back when a watcher dies."""
    descriptor = os.open(folder(login) / "watched", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _path(login: str) -> Path:
    return folder(login) / "run.json"


def _make_folder(login: str) -> None:
    paths.STARTS.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder(login).mkdir(mode=0o700, exist_ok=True)


def _end_interrupted(login: str, run: Run) -> None:
    run.state, run.ended_by, run.ended_at = "ended", "interrupted", moment.now()
    run.detail = (
        "The node was started again while it ran." if run.boot_id != moment.boot_id() else "What watched it was ended."
    )
    write(login, run)


def _watch(login: str) -> None:
    """Begin a watcher that outlives this process, in no control group and no session of anybody's."""
    command = [str(paths.HELPER), "watch-startup", login]
    if systemd.is_running():
        unit = f"sublet-startup-{login}"
        status, _, said = commands.attempt("systemd-run", "--quiet", "--collect", f"--unit={unit}", *_LIMITS, *command)
        # One that was begun just before has the name, or has ended by now.
        begun = status == 0 or commands.attempt("systemctl", "is-active", "--quiet", unit)[0] == 0
        if not begun and read(login).state == "waiting":
            message = f"The startup script of {login} could not be begun: {said.strip()[-300:]}"
            raise NodeError("command_failed", message, retryable=True)
        return
    subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
