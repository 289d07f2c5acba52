"""Bulkheads: how much of each kind, of each place, and there for each tenant, a worker does at a time."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from sublet.core.work.declaration import AnyWork
from sublet.core.work.leases import Lease
from sublet.core.work.ready import Crowd, Room

SUSPECT_SECONDS = 5.0
"""So long a row that its workers may have died of is tried with no other such row beside it."""


class Slots:
    """What a worker does now, and what it has room for. What waits, waits in the database and holds no slot."""

    def __init__(self, works: Iterable[AnyWork]) -> None:
        self._works = {work.kind: work for work in works}
        self._held: dict[int, Lease] = {}
        self._entered: dict[int, float] = {}

    def enter(self, lease: Lease) -> None:
        """A row takes its slot."""
        self._held[lease.token] = lease
        self._entered[lease.token] = time.monotonic()

    def leave(self, lease: Lease) -> None:
        """A row gives its slot back."""
        self._held.pop(lease.token, None)
        self._entered.pop(lease.token, None)

    @property
    def held(self) -> list[Lease]:
        """Every lease that the worker has."""
        return list(self._held.values())

    @property
    def suspects(self) -> bool:
        """Whether a row that may crash its worker has just begun; one that takes longer holds up no other."""
        since = time.monotonic() - SUSPECT_SECONDS
        return any(lease.suspect and self._entered[token] > since for token, lease in self._held.items())

    def busy(self) -> dict[Crowd, int]:
        """How many rows of each kind, place and tenant the worker does."""
        return dict(Counter((lease.kind, lease.place, lease.tenant) for lease in self._held.values()))

    def room(self) -> dict[str, Room]:
        """Kinds that there is room for, and how much."""
        taken = Counter(lease.kind for lease in self._held.values())
        return {
            kind: replace(work.room, free=work.slots - taken[kind])
            for kind, work in self._works.items()
            if taken[kind] < work.slots
        }

    def crowded(self) -> bool:
        """Whether a kind, a place or a tenant's share of one is full, so that something may wait for the next slot."""
        if len(self.room()) < len(self._works):
            return True
        # A row that is its own place, as each tick and each node is, has no other row waiting behind it.
        shared = Counter((lease.kind, lease.place) for lease in self._held.values() if lease.place != lease.id)
        if any(count >= self._works[kind].slots_each for (kind, _), count in shared.items()):
            return True
        return any(
            tenant and count >= self._works[kind].share_of_tenant for (kind, _, tenant), count in self.busy().items()
        )
