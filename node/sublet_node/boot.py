"""What has to be put back after each boot: rules and access lists that live in memory only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import (
    acl,
    bought,
    confinement,
    enrolment,
    firewall,
    gpus,
    limits,
    mounts,
    namespaces,
    network,
    paths,
    rate,
    retention,
    router,
    rules,
    upgrade,
)
from .disk import homes
from .errors import NodeError
from .request import Limits, Subject
from .store import Store


def boot(store: Store) -> list[str]:
    """Put them back, each whatever becomes of the others. Returns what could not be done."""
    problems: list[str] = []
    paths.RUN.mkdir(mode=0o755, exist_ok=True)
    for place in (paths.SESSION_ROOT, paths.OWN):
        place.mkdir(mode=0o755, exist_ok=True)
    steps: tuple[Callable[[], object], ...] = (
        router.install,
        deny_addresses,
        lambda: _make_mounts(store),
        lambda: _grant_gpus(store),
        lambda: retention.forget(store),
        upgrade.resume,
    )
    for step in steps:
        try:
            step()
        except (NodeError, OSError) as error:
            problems.append(str(error))
    return problems


def deny_addresses() -> None:
    """Keep allocations from what was denied at enrolment, and from what surrounds the node now."""
    known = enrolment.read()
    if known is None or not (known.deny or known.network):
        return
    try:
        firewall.install(rules.wanted(known))
    except NodeError:
        # Names may not be known yet, this early: until they are, the addresses that they had are denied.
        firewall.restore()
        raise


def _make_mounts(store: Store) -> None:
    """Without its own places and this version's rules a login opens no session. What fails for one fails no other."""
    records, damaged = store.readable()
    problems = [str(error) for error in damaged.values()]
    known = enrolment.read()
    here = [record for record in records if record.limits and not record.going]
    limits.start({record.uid: Limits(**record.limits) for record in here})
    for record in here:
        subject = Subject(record.allocation, record.login, record.uid)
        try:
            homes.restore(subject)
            mounts.ensure(subject, record.limits["memory_mib"], must_wall=record.walled)
            shape = {name: record.limits[name] for name in ("cpu_percent", "memory_mib")}
            bought.show(record.login, record.uid, **shape)
            confinement.confine(subject)
            link = network.link_for(known, store, record)
            namespaces.ensure(subject, link)
            rate.ensure(subject, link, record.limits.get("network_bits_per_second", 0))
        except (NodeError, OSError) as error:
            problems.append(f"{record.login}: {error}")
    if problems:
        raise NodeError("places_missing", "; ".join(problems))


def _grant_gpus(store: Store) -> None:
    """Shut the GPUs that nobody holds, and open the others to their holders alone."""
    available = gpus.inventory()
    holders = {uuid: record.uid for record in store.readable()[0] if not record.going for uuid in record.gpus}
    for gpu in available:
        holder = holders.get(gpu.uuid)
        acl.set_users(Path(gpu.device), set() if holder is None else {holder})
