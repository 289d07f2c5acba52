"""apply: bring one allocation to its whole desired state, whatever state it is in."""

from __future__ import annotations

import contextlib
from typing import Any

from . import (
    authorized_keys,
    boot,
    bought,
    confinement,
    devices,
    enrolment,
    firewall,
    giving_back,
    gpus,
    limits,
    logins,
    loopback,
    moment,
    mounts,
    namespaces,
    network,
    node_network,
    ports,
    rate,
    request,
    sessions,
    startup,
    systemd,
)
from .disk import homes
from .errors import NodeError
from .store import Allocation, Store


def apply(store: Store, params: dict[str, Any], generation: Any) -> dict[str, Any]:
    """Apply the desired state and answer with what the kernel enforces. Safe to repeat from any half-done point."""
    desired = request.desired(params)
    with store.locked(desired.subject.allocation):
        suspends = desired.state == "suspended"
        record = store.accept(desired.subject, generation, intent="suspend" if suspends else "apply")
        # What has no GPU only has to be kept out of all: it neither waits for nvidia-smi nor fails with it.
        available = gpus.inventory() if desired.gpus else gpus.present()
        granted = devices.select(available, desired.gpus)
        _close_first(store, record, desired)
        _follow_network()
        was_whole = record.node_network
        node_network.settle(store, record, wanted=desired.node_network, comes_in=not suspends)
        if was_whole or desired.node_network:
            firewall.follow_whole_node()
        _make_account(store, record, desired)
        _note_gpus(store, record, granted)
        devices.grant(desired.subject.uid, granted, available)
        limits.ensure(desired.subject.uid, desired.limits, granted)
        shape = {"cpu_percent": desired.limits.cpu_percent, "memory_mib": desired.limits.memory_mib}
        bought.show(desired.subject.login, desired.subject.uid, **shape)
        link = network.link_for(enrolment.read(), store, record)
        is_new = namespaces.ensure(desired.subject, link)  # shows it the slice's control groups
        if link is None:
            loopback.admit(desired.subject.uid)
        variables = {**bought.variables(desired.limits, granted), **desired.environment}
        startup.set_variables(desired.subject, variables)
        bits_per_second = desired.limits.network_bits_per_second
        if bits_per_second or not is_new:
            rate.ensure(desired.subject, link, bits_per_second)
        if desired.state == "active":
            authorized_keys.open_login(desired)
            _disconnect(record, desired)
        published = ports.follow(store, record, desired, link)
        given_back, kept = _end_use(store, record, desired)
        record.disconnected = max(record.disconnected, desired.disconnect_generation)
        record.state, record.intent = desired.state, ""
        if all(check["clean"] for check in given_back):
            record.gpus = [gpu.uuid for gpu in granted]
        record.limits = dict(vars(desired.limits))
        store.put(record)
        foreign = [gpu for gpu in available if gpu not in granted]
        enforced = limits.enforced(desired.subject.uid, desired.limits, granted, foreign)
        return {
            "login": desired.subject.login,
            "uid": desired.subject.uid,
            "home": str(logins.home(desired.subject.login)),
            "slice": systemd.slice_name(desired.subject.uid),
            "state": desired.state,
            "login_open": authorized_keys.is_open(desired.subject.login),
            "enforced": [
                *enforced,
                homes.enforced(desired.subject, desired.limits.disk_gib),
                *rate.enforced(desired.subject, link, bits_per_second),
                *node_network.enforced(record),
            ],
            "ports": published,
            "given_back": given_back,
            "kept": kept,
            "boot_id": moment.boot_id(),
            "observed_at": moment.now(),
        }


def _end_use(
    store: Store, record: Allocation, desired: request.Desired
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The checks that show what is given back, and those of what is kept though suspended; none where nothing is.

    A GPU that is not shown to be given back is remembered.
    """
    if desired.state != "suspended":
        return [], []
    mates = store.uids_of(desired.same_organization, desired.subject)
    if desired.gives_back:
        return giving_back.give_back(desired.subject, list(record.gpus), mates), []
    return [], giving_back.keep(list(record.gpus), mates)


def _follow_network() -> None:
    """A gateway may have come only after the boot. Where no firewall can be set, probe says so."""
    if not firewall.is_current():
        with contextlib.suppress(NodeError):
            boot.deny_addresses()


def _note_gpus(store: Store, record: Allocation, granted: list[gpus.Gpu]) -> None:
    """Remember a GPU before it is opened: the release has to prove it idle, even if this run ends in the middle."""
    held = sorted({*record.gpus, *(gpu.uuid for gpu in granted)})
    if held != sorted(record.gpus):
        record.gpus = held
        store.put(record)


def _close_first(store: Store, record: Allocation, desired: request.Desired) -> None:
    """Suspend: nobody gets in any more, and whoever is in is thrown out. Data stay."""
    if desired.state == "suspended":
        ports.shut(store, record)
        authorized_keys.close_login(desired.subject.login)
        startup.note_stop(desired.subject.login, "suspended")
        sessions.end(desired.subject.uid, desired.subject.login)
        record.may_run = False
        store.put(record)


def _disconnect(record: Allocation, desired: request.Desired) -> None:
    """Once for each time it is asked for, and only now that whoever lost the right to come in cannot come back."""
    if desired.disconnect_generation > record.disconnected:
        sessions.disconnect(desired.subject.login, keys=desired.authorized_keys)


def _make_account(store: Store, record: Allocation, desired: request.Desired) -> None:
    if not record.bound:
        logins.refuse_what_cannot_be(desired.subject)
        record.bound = True
        store.put(record)
    logins.ensure(desired.subject)
    homes.make(desired.subject, desired.limits.disk_gib)
    logins.ensure_home(desired.subject, ready=record.home_ready)
    walled = mounts.ensure(desired.subject, desired.limits.memory_mib, must_wall=record.walled)
    if not record.home_ready:
        # Nobody was ever let in before, so all that anybody ever had open of it is walled off.
        record.home_ready, record.walled = True, walled
        store.put(record)
    confinement.confine(desired.subject)
