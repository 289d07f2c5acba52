"""The node's own network, for an allocation that has the whole node: as who needs the network that nodes share.

It has the node's interfaces, addresses and loopback, and nothing is published for it: what listens is reached as the
node is. Its way out is denied what others' is, by the uid of who owns a socket (see `rules`).
"""

from __future__ import annotations

import os
from typing import Any

from . import enrolment, firewall, namespaces
from .errors import NodeError
from .store import Allocation, Store


def settle(store: Store, record: Allocation, *, wanted: bool, comes_in: bool) -> None:
    """Note whether an allocation is to be in the node's network, before anything of it is there.

    Where it `comes_in`, refused with `not_alone` while anybody else is on the node, or while who is there has that
    network; with `firewall_unavailable` where nothing would keep it from what is denied. Nothing runs of what is
    suspended, so nobody who is there keeps it from being closed, and it keeps nobody away: it comes when it is
    resumed, and looks then.
    """
    before = record.node_network
    if record.node_network != wanted:
        record.node_network = wanted
        store.put(record)
    if not comes_in:
        return
    try:
        _refuse_beside_others(store, record)
        if wanted:
            _refuse_without_firewall()
    except NodeError:
        record.node_network = before
        if not (record.bound and record.may_run):
            record.intent = ""  # nothing of it is here, nor about to be
        store.put(record)
        raise
    if not record.may_run:
        record.may_run = True
        store.put(record)


def _refuse_beside_others(store: Store, record: Allocation) -> None:
    """Each has written down what it wants before it looks, so that of two who come at once not both find nobody."""
    readable, damaged = store.readable()
    others = [one for one in readable if one.allocation != record.allocation and one.is_in]
    alone = record.node_network or any(other.node_network for other in others)
    here = sorted([*(other.login for other in others), *damaged])
    if alone and here:
        raise NodeError(
            "not_alone",
            f"Whoever is in the node's own network is alone on the node, where {', '.join(here[:5])} is as well. "
            "Release that first.",
            retryable=True,
        )


def enforced(record: Allocation) -> list[dict[str, Any]]:
    """That it is in the node's network, as its pinned namespace shows; nothing for anybody else."""
    if not record.node_network:
        return []
    own = os.stat("/proc/self/ns/net").st_ino
    is_there = any(number == own for number, _ in namespaces.pinned(record.login))
    detail = "Its sessions join the node's own network namespace."
    return [
        {
            "limit": "node_network",
            "requested": "the node's own network",
            "value": "the node's own network" if is_there else None,
            "enforced": is_there,
            "detail": detail if is_there else "Its sessions would be in another network than the node's.",
        }
    ]


def _refuse_without_firewall() -> None:
    known = enrolment.read()
    if known is not None and known.network and not firewall.knows_owners():
        raise NodeError(
            "firewall_unavailable",
            "Nothing tells by its owner what is sent in the node's own network, so that whoever is in it would reach "
            "what is denied. That is so where a directory gives accounts numbers like those of allocations, and where "
            "nftables has lost our table. Sell whole nodes with a network of their own here, or enrol the node again.",
        )
