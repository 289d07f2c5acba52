"""How a domain declares its work: what is taken, done and concluded, at which pace, and with how much room."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sublet.core.db import Session
from sublet.core.work.leases import Lease
from sublet.core.work.outcomes import Outcome
from sublet.core.work.pace import Pace
from sublet.core.work.ready import Room

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a kind of work: what it does, what it leaves behind, and what takes that back or finishes it."""

    name: str
    does: str
    leaves: str
    compensation: str


@dataclass(frozen=True, slots=True)
class End:
    """How work of a kind that never succeeds ends.

    A row that so many `crashes` in succession held is set aside for operators: it may be what the workers died of.
    None: it never is, because something would stand still unseen; it is tried at the longest wait, and found, until it
    succeeds. `on_failures` and `on_crashes` say in words what becomes of a row, for `docs/work.md`.
    """

    crashes: int | None
    on_failures: str
    on_crashes: str


MOST_CRASHES = 8
SET_ASIDE = End(MOST_CRASHES, "tried at its pace", "set aside")


@dataclass(frozen=True, slots=True)
class Work(Generic[T, R]):
    """One kind of leased work.

    `take` reads, in a short transaction, what `act` needs to know; or it does all there is to do and says what came of
    it. `act` speaks to nodes and processors; no session is open. `conclude` stores the result, in a transaction that
    is undone if the lease was lost. `give_up` is asked after the last attempt of the pace, and after the last crash of
    its `end`; without one the row is set aside. An exception of any of them is a failed attempt.

    A worker does `slots` of the kind at a time, and `slots_each` of one place. Where rows say which tenant they are
    for, each has at most `slots_tenant` of a place (None: all of them), so that what hangs for one holds up no other.
    """

    kind: str
    take: Callable[[Session, Lease], Awaitable[T | Outcome]]
    act: Callable[[Lease, T], Awaitable[R]] | None = None
    conclude: Callable[[Session, Lease, T, R], Awaitable[Outcome]] | None = None
    give_up: Callable[[Session, Lease, str], Awaitable[Outcome]] | None = None
    pace: Pace = field(default_factory=Pace)
    end: End = SET_ASIDE
    slots: int = 20
    slots_each: int = 4
    slots_tenant: int | None = None
    only: tuple[str, ...] = ()
    """The rows that this worker knows how to do, where one of another release may know others; empty for all."""
    longest_seconds: float | Mapping[str, float] | None = None
    """So long at most a row waits until it is due, each by its id or all alike; what waits longer has its time from a
    clock that was wrong, and is brought within. None where a row may wait as long as it likes."""
    steps: tuple[Step, ...] = ()
    wakes_on: str | None = None
    """A channel of NOTIFY whose messages make every row of this kind due."""

    def __post_init__(self) -> None:
        if (self.act is None) != (self.conclude is None):
            raise ValueError(f"{self.kind}: what is acted on is concluded, and nothing else")
        if not 1 <= self.share_of_tenant <= self.slots_each:
            raise ValueError(f"{self.kind}: a tenant has at least one slot of a place, and no more than there are")

    @property
    def room(self) -> Room:
        """What an idle worker takes of it."""
        return Room(self.slots, self.slots_each, self.share_of_tenant, self.only)

    @property
    def share_of_tenant(self) -> int:
        """How many slots of a place one tenant may have."""
        return self.slots_each if self.slots_tenant is None else self.slots_tenant


AnyWork = Work[Any, Any]
