"""release: take an allocation away, then prove by looking again that nothing of it is left."""

from __future__ import annotations

import contextlib
from typing import Any

from . import (
    authorized_keys,
    confinement,
    devices,
    enrolment,
    evidence,
    firewall,
    gpus,
    holders,
    leftovers,
    limits,
    logins,
    loopback,
    marks,
    memory,
    moment,
    namespaces,
    network,
    oom_kills,
    ports,
    request,
    sessions,
    startup,
)
from .disk import homes
from .errors import NodeError
from .store import Allocation, Store


def release(store: Store, params: dict[str, Any], generation: Any) -> dict[str, Any]:
    """Release and answer with the evidence; `clean` only when every check was proven. Safe to repeat at any time."""
    subject = request.subject(params)
    with store.locked(subject.allocation):
        record = store.accept(subject, generation, intent="release")
        logins.exists(subject)  # processes and files of the uid end here: they must not be another account's
        walled = store.walled_logins(subject)
        mates = store.uids_of(request.same_organization(params), subject)
        # An operator may have cleared a GPU of a release that was not proven: what runs on it now is another's.
        cards = sorted(set(record.gpus) - store.gpus_in_use())
        with marks.of(subject) as known:
            with contextlib.suppress(NodeError):  # said by a check, when all is ended that can be
                marks.find_cards(known, cards)
            if not record.link:
                loopback.dismiss(subject.uid)
            ports.withdraw(store, record)
            ended = _take_away(subject, walled, mates, known)
            with contextlib.suppress(NodeError):  # what stays is for the evidence to find
                network.forget_connections(enrolment.read(), record)
            checks = evidence.collect(record, cards, walled, known, ended)
        clean = all(check["clean"] for check in checks)
        if clean:
            memory.forget(subject.uid)
            oom_kills.forget(subject.uid)
            was_whole = record.node_network
            _close_record(store, record)
            if was_whole:
                firewall.follow_whole_node()
        return {"clean": clean, "checks": checks, "released_at": moment.now()}


def _take_away(
    subject: request.Subject, walled: set[str], mates: dict[str, int], known: marks.Marks
) -> list[holders.Holder]:
    """The order matters: no new way in, then nothing alive, then nothing stored. Returns who was ended besides."""
    authorized_keys.close_login(subject.login)
    marks.note(known)
    startup.note_stop(subject.login, "released")
    sessions.end(subject.uid, subject.login)
    namespaces.remove(subject)
    ended = holders.take_back(known, mates)
    startup.remove(subject)
    leftovers.remove_jobs(subject)
    leftovers.remove_ipc(subject.uid)
    confinement.release(subject, frozenset(known.busy))
    ungrouped = _remove_group(subject)
    logins.remove(subject)
    homes.remove(subject, is_held=known.is_held)
    leftovers.remove_files(subject.uid, enrolment.open_places(), walled)
    devices.revoke(subject.uid, gpus.known())
    if not ungrouped:  # a file that was removed since may have been in memory
        _remove_group(subject)
    return ended


def _remove_group(subject: request.Subject) -> bool:
    """Remove the control group, unless memory is charged to it: nothing else tells how much, and whose it was."""
    empty = memory.prove(subject.uid)
    if empty:
        limits.release(subject.uid)
    return empty


def _close_record(store: Store, record: Allocation) -> None:
    """Keep the record as a fence against late commands."""
    record.state, record.intent = "released", ""
    record.gpus, record.limits, record.home_ready, record.walled, record.link = [], {}, False, False, 0
    record.ports, record.published, record.node_network = [], False, False
    store.put(record)
