"""How long the node keeps what it stores: a folder goes with what it is about, or is pruned, or stays for a reason."""

from __future__ import annotations

from . import paths
from .store import Store

FOLDERS = {
    paths.ALLOCATIONS.name: "a record for each allocation that is here; released ones are pruned after 30 days",
    paths.LOCKS.name: "a lock for each record, gone with it, and a few for the node itself",
    paths.MARKS.name: "what a release looks for, gone when it is proven",
    paths.STARTS.name: "variables and script of each allocation, gone with its release",
    paths.PRIVATE_TMP.name: "a folder for each login, gone with its release",
    paths.PRIVATE_VAR_TMP.name: "a folder for each login, gone with its release",
    "helper": "the helper before this one, for going back, and what an upgrade has reached",
    paths.GPUS.name: "one file: which GPUs are here",
}
"""What is in /var/lib/sublet, and how long. Operations, evidence and observations are not stored on the node at all."""


def forget(store: Store) -> int:
    """Prune what is pruned; returns how many records went. Done at each boot, and whenever trust is renewed."""
    return store.forget_old()
