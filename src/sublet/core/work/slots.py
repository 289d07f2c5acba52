"""Bulkheads: how much of each kind, and of each place, a worker does at a time."""

from collections import Counter
from collections.abc import Iterable

from sublet.core.work.declaration import AnyWork
from sublet.core.work.leases import Lease
from sublet.core.work.ready import Room


class Slots:
    """What a worker does now, and what it has room for. What waits, waits in the database and holds no slot."""

    def __init__(self, works: Iterable[AnyWork]) -> None:
        self._works = {work.kind: work for work in works}
        self._held: dict[int, Lease] = {}

    def enter(self, lease: Lease) -> None:
        """A row takes its slot."""
        self._held[lease.token] = lease

    def leave(self, lease: Lease) -> None:
        """A row gives its slot back."""
        self._held.pop(lease.token, None)

    @property
    def held(self) -> list[Lease]:
        """Every lease that the worker has."""
        return list(self._held.values())

    @property
    def suspects(self) -> bool:
        """Whether a row that may crash its worker is among them."""
        return any(lease.suspect for lease in self._held.values())

    def busy(self) -> dict[tuple[str, str], int]:
        """How many rows of each kind and place the worker does."""
        return dict(Counter((lease.kind, lease.place) for lease in self._held.values()))

    def room(self) -> dict[str, Room]:
        """Kinds that there is room for, and how much."""
        taken = Counter(lease.kind for lease in self._held.values())
        return {
            kind: Room(work.slots - taken[kind], work.slots_each)
            for kind, work in self._works.items()
            if taken[kind] < work.slots
        }

    def crowded(self) -> bool:
        """Whether a kind or a place is full, so that something may wait for the next slot."""
        if len(self.room()) < len(self._works):
            return True
        # A row that is its own place, as ticks and nodes are, has nobody behind it.
        shared = Counter((lease.kind, lease.place) for lease in self._held.values() if lease.place != lease.id)
        return any(count >= self._works[kind].slots_each for (kind, _), count in shared.items())
