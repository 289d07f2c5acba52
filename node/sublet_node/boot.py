"""What has to be put back after each boot: rules and access lists that live in memory only."""

from __future__ import annotations

from pathlib import Path

from . import acl, enrolment, firewall, gpus, paths
from .errors import NodeError
from .store import Store


def boot(store: Store) -> list[str]:
    """Put them back, fail closed: GPUs nobody holds are shut first. Returns what could not be done."""
    problems: list[str] = []
    paths.RUN.mkdir(mode=0o755, exist_ok=True)
    available = gpus.inventory()
    holders = {uuid: record.uid for record in store.all() if not record.released for uuid in record.gpus}
    for gpu in available:
        holder = holders.get(gpu.uuid)
        acl.set_users(Path(gpu.device), set() if holder is None else {holder})
    known = enrolment.read()
    if known is not None and known.deny:
        try:
            firewall.install(firewall.resolve(known.deny))
        except NodeError as error:
            problems.append(error.message)
    store.forget_old()
    return problems
