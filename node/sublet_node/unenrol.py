"""unenrol: give the machine back as it was, and tell the control plane that it goes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from . import (
    before,
    commands,
    confinement,
    control_plane,
    enrolment,
    files,
    firewall,
    logins,
    maxima,
    network,
    paths,
    processes,
    router,
    sessions,
    sshd,
    systemd,
)
from .disk import homes
from .errors import NodeError
from .release import release
from .store import Allocation, Store

Say = Callable[[str], None]

_END_SECONDS = 10.0


def unenrol(say: Say, *, force: bool) -> None:
    """Give the machine back as it was; refuses while allocations are on it, unless forced, which ends them."""
    store = Store()
    present = _present(store)
    if present and not force:
        names = ", ".join(record.login for record in present[:5])
        message = f"{len(present)} allocation(s) are still here: {names}. Release them first, or use --force."
        raise NodeError("allocations_present", message)
    _tell(say)
    files.remove(paths.SSHD_DROP_IN)
    with contextlib.suppress(NodeError):  # an sshd that does not run lets nobody in either
        sshd.reload()
    say("sshd is as it was")
    _end_control_plane()
    say("ended every connection of the control plane")
    # Also what came in while it was told.
    for record in _present(store):
        _end(store, record, say)
    take_back()
    say(f"{socket.gethostname()} is no longer a node")


def take_back() -> None:
    """Undo what enrolment did, however far it came."""
    files.remove(paths.SSHD_DROP_IN)
    confinement.uninstall()
    maxima.uninstall()
    network.cut_all()
    firewall.uninstall()
    router.uninstall()
    if systemd.is_running() and paths.UNIT.exists():
        commands.attempt("systemctl", "disable", "--quiet", paths.UNIT.name)
        files.remove(paths.UNIT)
        commands.attempt("systemctl", "daemon-reload")
    files.remove(paths.SUDOERS)
    uid = logins.passwd_entries().get(sshd.CONTROL_USER)
    if uid is not None:
        for mask in confinement.masks(uid):
            files.remove(mask)
        commands.run("userdel", *(("--force",) if uid == 0 else ()), sshd.CONTROL_USER, ok=(0, 6, 8, 12))
    homes.unenrol()
    files.remove(paths.HELPER)
    for folder in (paths.CONFIG, paths.RUN):
        shutil.rmtree(folder, ignore_errors=True)
    kept = before.read()
    shutil.rmtree(paths.STATE, ignore_errors=True)
    before.restore(kept)


def _present(store: Store) -> list[Allocation]:
    return [record for record in store.all() if not record.released] if paths.ALLOCATIONS.is_dir() else []


def _tell(say: Say) -> None:
    try:
        known = enrolment.read()
    except NodeError:
        known = None
    if known is None or not known.url:
        return
    why_not = control_plane.leave(known.url, known.node_id)
    if why_not:
        say(
            f"WARNING: {known.url} was not told: {why_not} Sublet sees that this node does not answer any more; remove "
            f"it there when it is gone: `sublet admin node rm {known.name}`"
        )
    else:
        say(f"told {known.url} that {known.name} goes: nothing new is placed here")


def _end_control_plane() -> None:
    """Every connection of the control plane, and the helpers behind them: root's channel does not outlive the node."""
    sessions.disconnect(sshd.CONTROL_USER)
    deadline = time.monotonic() + _END_SECONDS
    while helpers := _helpers():
        for pid in helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            listed = ", ".join(map(str, helpers))
            raise NodeError(
                "processes_remain", f"Helpers of the control plane cannot be ended: {listed}.", retryable=True
            )
        time.sleep(0.02)


def _helpers() -> list[int]:
    found = []
    for process in processes.everything():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            if words[-2:-1] == [b"rpc"] and str(paths.HELPER).encode() in words and not process.zombie:
                found.append(process.pid)
    return found


def _end(store: Store, record: Allocation, say: Say) -> None:
    """End an allocation for good: its sessions, processes, files and account."""
    subject = {"allocation": record.allocation, "login": record.login, "uid": record.uid}
    evidence = release(store, subject, record.generation)
    left = "; ".join(f"{check['name']}: {check['detail']}" for check in evidence["checks"] if not check["clean"])
    say(f"WARNING: {record.login} is not proven to be gone ({left})" if left else f"{record.login} is gone")
