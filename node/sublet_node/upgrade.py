"""upgrade: another version of this helper, given over the protocol, kept only if the control plane confirms it.

The new one proves itself before it is put in place, and the one before stays beside it. Whoever started the upgrade
tries the node then and confirms. Unless that comes in time, a process of the earlier helper puts it back: a helper
with which nobody can speak takes itself away.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import HELPER_VERSION, PROTOCOL_VERSION, commands, files, paths, processes, systemd
from .errors import NodeError, bad_request
from .store import Store, known

_NEW = paths.HELPER.with_name(".sublet-node.new")
_FOLDER = paths.STATE / "helper"
_PREVIOUS = _FOLDER / "previous.pyz"
_PENDING = _FOLDER / "pending.json"
_LOCK = "helper"
_LOCK_SECONDS = 2.0
_CHECK_SECONDS = 20.0
_SETTLE_SECONDS = 60.0
_LONGEST_SECONDS = 3600
_POLL_SECONDS = 0.5


@dataclass
class _Pending:
    """An upgrade that nobody has confirmed yet: the digests of both helpers, and until when (seconds since 1970)."""

    sha256: str
    previous: str
    until: float


def upgrade(store: Store, params: dict[str, Any]) -> dict[str, Any]:
    """Put the given helper in place of this one, on trial; the same again has it wait as long once more.

    A trial of another one that nobody ends any more, or that never began, is undone first. `busy` while an allocation
    is being changed; `helper_damaged` when it is not what was announced; `helper_refused` when it does not run here:
    the helper that was there goes on then.
    """
    wanted, version, content, seconds = _asked(params)
    with _alone(store):
        pending = _read_pending()
        if pending is not None and _installed() == wanted == pending.sha256:
            return _standing(_renew(pending, seconds))
        if pending is not None and (_installed() != pending.sha256 or not _guard_lives()):
            _put_back(pending)
            pending = None
        if _installed() == wanted:
            return _standing(pending)
        if pending is not None:
            raise NodeError(
                "upgrade_pending",
                f"The helper {pending.sha256[:12]} is on trial here. Confirm or undo it, then upgrade again.",
                retryable=True,
            )
        if hashlib.sha256(content).hexdigest() != wanted:
            raise NodeError(
                "helper_damaged",
                "What came is not the helper that was announced. Nothing was changed; give it again.",
                retryable=True,
            )
        files.replace(_NEW, content, mode=0o755)
        try:
            _check(version)
            _FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.replace(_PREVIOUS, paths.HELPER.read_bytes(), mode=0o755)
            pending = _Pending(wanted, _installed(), time.time() + seconds)
            files.replace(_PENDING, json.dumps(asdict(pending)).encode(), mode=0o600)
            try:
                _start_guard()
            except BaseException:
                files.remove(_PENDING)  # nobody would ever end a trial without a guard
                raise
            os.replace(_NEW, paths.HELPER)
        finally:
            files.remove(_NEW)
        try:
            _settle(paths.HELPER)
        except NodeError as error:
            _put_back(pending)
            raise NodeError(
                "helper_refused", f"The helper {version} could not set itself up here: {error.message}"
            ) from error
        return _standing(pending)


def _renew(pending: _Pending, seconds: int) -> _Pending:
    """Wait for the confirmation from now on; another guard does, because the one before was told another end."""
    renewed = _Pending(pending.sha256, pending.previous, time.time() + seconds)
    files.replace(_PENDING, json.dumps(asdict(renewed)).encode(), mode=0o600)
    try:
        _start_guard()
    except BaseException:
        _put_back(renewed)  # nobody would ever end a trial without a guard
        raise
    return renewed


def confirm(store: Store, params: dict[str, Any]) -> dict[str, Any]:
    """The node was tried with the new helper and is well: it stays. Safe to repeat."""
    wanted = _digest(params)
    with _alone(store):
        if _installed() != wanted:
            raise NodeError(
                "upgrade_undone",
                f"The helper {wanted[:12]} is not in place any more: nobody confirmed it in time. Upgrade again.",
            )
        files.remove(_PENDING)
        return _standing(None)


def undo(store: Store, params: dict[str, Any]) -> dict[str, Any]:
    """Put the earlier helper back, if the given one is on trial; what was confirmed stays. Safe to repeat."""
    wanted = _digest(params)
    with _alone(store):
        pending = _read_pending()
        if pending is not None and pending.sha256 == wanted:
            _put_back(pending)
        return _standing(_read_pending())


def guard() -> int:
    """Wait for the confirmation of the upgrade under way, and undo it when that does not come in time."""
    pending = _read_pending()
    if pending is None:
        return 0
    while (now := _read_pending()) == pending and time.time() < pending.until:
        time.sleep(_POLL_SECONDS)
    if now != pending:
        return 0
    while _read_pending() == pending:
        with contextlib.suppress(NodeError):  # an allocation is being changed: a moment later
            undo(Store(), {"sha256": pending.sha256})
        time.sleep(_POLL_SECONDS)
    return 0


def resume() -> None:
    """After a boot: whoever waited for a confirmation is gone, so somebody else does."""
    if _read_pending() is not None:
        _start_guard()


def forget_waiting() -> None:
    """Enrolment puts a helper in place for good: nobody waits for the confirmation of another one any more."""
    files.remove(_PENDING)


def check() -> int:
    """What a helper says of itself when it is asked whether it runs here."""
    print(json.dumps({"version": HELPER_VERSION, "protocol": PROTOCOL_VERSION}))
    return 0


@contextlib.contextmanager
def not_meanwhile(store: Store) -> Iterator[None]:
    """While something is changed on the node, its helper is not."""
    with store.locked(_LOCK, shared=True):
        yield


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[None]:
    with store.locked(_LOCK, deadline_seconds=_LOCK_SECONDS):
        yield


class Running:
    """The file that this process was started from, and how to become the one that has taken its place."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._began_as = _identity(program)
        self.sha256 = _digest_of(program)

    def overtaken(self) -> bool:
        """Whether another helper is in its place."""
        return self._began_as is not None and _identity(self._program) not in (None, self._began_as)

    def become(self, output: int) -> None:
        """Go on as that one, with the same input and `output`; does not return."""
        os.dup2(output, 1)
        os.execv(self._program, [str(self._program), *sys.argv[1:]])  # noqa: S606 - the program is our own


def _asked(params: dict[str, Any]) -> tuple[str, str, bytes, int]:
    version, text, seconds = params.get("version"), params.get("helper_base64"), params.get("confirm_seconds")
    if not isinstance(version, str) or not isinstance(text, str):
        raise bad_request("version and helper_base64 must be text")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 1 <= seconds <= _LONGEST_SECONDS:
        raise bad_request(f"confirm_seconds must be a whole number from 1 to {_LONGEST_SECONDS}")
    try:
        return _digest(params), version, base64.b64decode(text, validate=True), seconds
    except binascii.Error as error:
        raise bad_request("helper_base64 is not base64") from error


def _digest(params: dict[str, Any]) -> str:
    wanted = params.get("sha256")
    if not isinstance(wanted, str) or len(wanted) != 64:
        raise bad_request("sha256 must be the 64 digits of a helper's digest")
    return wanted


def _check(version: str) -> None:
    """The new helper runs here, is the version that was announced, and speaks our protocol."""
    status, output, errors = commands.attempt(str(_NEW), "check", timeout_seconds=_CHECK_SECONDS)
    try:
        said = json.loads(output) if status == 0 else None
    except ValueError:
        said = None
    if said != {"version": version, "protocol": PROTOCOL_VERSION}:
        words = (errors or output).strip()[-300:] or "no message"
        raise NodeError(
            "helper_refused",
            f"The helper {version} does not run here ({words}). The one that was there goes on.",
        )


def _settle(program: Path) -> None:
    """Have a helper set up for sessions what its version needs."""
    commands.run(str(program), "settle", timeout_seconds=_SETTLE_SECONDS)


def _put_back(pending: _Pending) -> None:
    """The earlier helper is in place again, with what it sets up."""
    content = _PREVIOUS.read_bytes()
    if hashlib.sha256(content).hexdigest() != pending.previous:
        raise NodeError("state_unreadable", f"{_PREVIOUS} is not the earlier helper. Enrol the node again.")
    files.replace(paths.HELPER, content, mode=0o755)
    _settle(paths.HELPER)
    files.remove(_PENDING)  # last: who is cut off before that is repeated by the guard, or by a boot


def _start_guard() -> None:
    """A process of the earlier helper, which outlives this connection and what is wrong with the new one."""
    argv = [str(_PREVIOUS), "guard"]
    if systemd.is_running():
        commands.run("systemd-run", "--quiet", "--collect", "--service-type=exec", *argv)
        return
    subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def _guard_lives() -> bool:
    """Whether some process waits for the confirmation of an upgrade."""
    wanted = [str(_PREVIOUS).encode(), b"guard"]
    for process in processes.everything():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if words[-2:] == wanted and not process.zombie:
                return True
    return False


def _standing(pending: _Pending | None) -> dict[str, Any]:
    return {"helper_sha256": _installed(), "on_trial": pending is not None}


def _installed() -> str:
    return _digest_of(paths.HELPER)


def _digest_of(program: Path) -> str:
    """The digest of a file; empty where there is none."""
    try:
        return hashlib.sha256(program.read_bytes()).hexdigest()
    except OSError:
        return ""


def _identity(program: Path) -> tuple[int, int, int] | None:
    try:
        status = program.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _read_pending() -> _Pending | None:
    try:
        return _Pending(**known(_Pending, json.loads(_PENDING.read_bytes())))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise NodeError("state_unreadable", f"{_PENDING} is damaged ({error}). Enrol the node again.") from error
