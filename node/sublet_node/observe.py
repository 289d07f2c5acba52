"""observe and usage: all that exists on the node, and what it uses."""

from __future__ import annotations

import collections
import contextlib
import os
import re
from collections.abc import Collection
from typing import Any

from . import (
    authorized_keys,
    bought,
    cgroups,
    commands,
    directory,
    doors,
    gpu_health,
    kernel_log,
    logins,
    moment,
    network,
    oom_kills,
    paths,
    ports,
    processes,
    space,
    systemd,
)
from .disk import homes
from .errors import NodeError
from .request import FIRST_UID, LAST_UID
from .store import Allocation, Store

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def observe(store: Store) -> dict[str, Any]:
    """Recorded allocations with what is truly there, and accounts, processes or homes that no record explains."""
    readable, damaged = store.readable()
    records = [record for record in readable if not record.released]
    entries = logins.passwd_entries()
    running: collections.Counter[int] = collections.Counter()
    for process in processes.everything():
        running.update(process.uids)
    known = _explained(records, damaged, entries)
    log = kernel_log.read()
    _refresh(records)
    carried = network.all_carried()
    return {
        "boot_id": moment.boot_id(),
        "time": moment.now(),
        **space.free(),
        "doors": doors.fingerprint(),
        "allocations": [
            {
                **_observed(record, entries, running[record.uid]),
                "oom_kills": oom_kills.count(record.uid, log),
                **_network_bytes(carried.get(network.name(record.uid))),
            }
            for record in records
        ],
        "gpus": gpu_health.read(log),
        "unreadable": [{"allocation": name, "detail": str(error)} for name, error in sorted(damaged.items())],
        "unknown": _unknown(store, entries, running, known),
    }


def _explained(records: Collection[Allocation], damaged: Collection[str], entries: dict[str, int]) -> set[int]:
    return {record.uid for record in records if not record.released} | _uids(damaged, entries)


def _uids(damaged: Collection[str], entries: dict[str, int]) -> set[int]:
    """Whose the accounts and homes of records are that cannot be read: they are known all the same."""
    found = set()
    for allocation in damaged:
        login = f"al-{allocation[len('al_') :]}"
        found |= {entries[login]} if login in entries else set()
        with contextlib.suppress(OSError):
            found.add(logins.home(login).lstat().st_uid)
    return found


def _refresh(records: list[Allocation]) -> None:
    """What programs are told of memory in use is of the last look."""
    for record in records:
        if record.limits and not record.going:
            with contextlib.suppress(OSError):  # it is being taken away
                bought.refresh(record.login, record.uid, record.limits["memory_mib"])


def _observed(record: Allocation, entries: dict[str, int], running: int) -> dict[str, Any]:
    state = record.state
    if record.intent == "release":
        state = "releasing"
    elif entries.get(record.login) != record.uid:
        state = "absent"  # the account is gone, whatever the record says
    return {
        "allocation": record.allocation,
        "login": record.login,
        "uid": record.uid,
        "generation": record.generation,
        "state": state,
        "processes": running,
        "login_open": authorized_keys.is_open(record.login),
    }


def _unknown(
    store: Store, entries: dict[str, int], running: collections.Counter[int], known: set[int]
) -> list[dict[str, Any]]:
    """Whose accounts, processes and homes no record explains: neither one from before all was looked at, of which
    `known` are the uids, nor one that was begun meanwhile, which had its record before anything else."""
    found = {uid: login for login, uid in logins.ours(entries).items() if uid not in known}
    for uid in running:
        if FIRST_UID <= uid <= LAST_UID and uid not in known and not directory.is_owners(uid):
            found.setdefault(uid, "")
    for name in os.listdir(paths.HOMES):
        if re.fullmatch(r"al-[a-z0-9]{16}", name):
            uid = (paths.HOMES / name).lstat().st_uid
            if uid not in known and FIRST_UID <= uid <= LAST_UID:
                found.setdefault(uid, name)
    begun = _explained(*store.readable(), entries) if found else set()
    return [{"login": login, "uid": uid} for uid, login in sorted(found.items()) if uid not in begun]


def usage(store: Store) -> dict[str, Any]:
    """What each recorded allocation uses. Without systemd, processor time is that of living processes only."""
    homes.count()
    here = [record for record in store.readable()[0] if _is_here(record)]
    counted = ports.carried(here)
    return {"time": moment.now(), "allocations": [_used(record, counted.get(record.allocation)) for record in here]}


def _is_here(record: Allocation) -> bool:
    return record.state in ("active", "suspended") and record.intent != "release"


def _used(record: Allocation, counted: list[dict[str, Any]] | None) -> dict[str, Any]:
    name = systemd.slice_name(record.uid)
    seconds, memory, tasks = cgroups.cpu_seconds(name), cgroups.memory_used(name), cgroups.tasks_used(name)
    if not systemd.is_running():
        seconds, memory, tasks = _by_process(record.uid)
    return {
        "allocation": record.allocation,
        "cpu_seconds": round(seconds or 0.0, 3),
        "memory_bytes": memory or 0,
        "tasks": tasks or 0,
        "disk_bytes": _disk_bytes(record),
        **_network_bytes(network.carried(record.uid)),
        **({} if counted is None else {"ports": counted}),
    }


def _network_bytes(carried: tuple[int, int] | None) -> dict[str, int | None]:
    """What its link has carried since it was laid; None without one."""
    return {"network_in_bytes": carried and carried[0], "network_out_bytes": carried and carried[1]}


def _by_process(uid: int) -> tuple[float, int, int]:
    seconds, memory, tasks = 0.0, 0, 0
    for process in processes.of(uid):
        try:
            with open(f"/proc/{process.pid}/stat", encoding="utf-8", errors="replace") as stream:
                parts = stream.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        seconds += (int(parts[11]) + int(parts[12])) / _TICKS_PER_SECOND
        tasks += int(parts[17])
        memory += int(parts[21]) * os.sysconf("SC_PAGE_SIZE")
    return seconds, memory, tasks


def _disk_bytes(record: Allocation) -> int:
    """Bytes that it stores, or where nobody counts them those in its home.

    A customer may be changing it meanwhile, which `du` reports as status 1.
    """
    login, counted = record.login, homes.used(record.login, record.uid)
    if counted is not None:
        return counted
    if not logins.home(login).exists():
        return 0  # taken away by hand: `observe` is where that shows
    # Nobody but root could have mounted anything there, and a subvolume looks like another file system.
    output = commands.run("du", "-sB1", "--", str(logins.home(login)), timeout_seconds=30, ok=(0, 1))
    match = re.match(r"(\d+)\s", output)
    if match is None:
        raise NodeError("listing_failed", f"The home of {login} cannot be measured.", retryable=True)
    return int(match.group(1))
