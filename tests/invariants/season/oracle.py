"""What everybody owes and owns by the rules of the house, in fractions, from what happened: it imports no code of ours.

The rules: a subject costs its price for every whole second that it was to run and that two observations prove, for
each stretch at one rate, in one month, seen without a gap, rounded down to a millionth. Promotional money is spent
first. What was paid is the wallet's until it is spent, sent back or lost; what is missing is owed.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor

MICRO = 1_000_000
FIRST = timedelta(seconds=1)
"""So long everything that ran at all is taken to have run."""


def month_of(at: datetime) -> str:
    """The month of a calendar in UTC."""
    return f"{at:%Y-%m}"


def month_after(at: datetime) -> datetime:
    """When the month of a time ends."""
    return at.replace(
        year=at.year + at.month // 12, month=at.month % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0
    )


@dataclass
class Life:
    """One subject: at which prices an hour (running, suspended), when it changed, and when it was seen."""

    id: str
    kind: str
    per_hour: Fraction
    suspended_per_hour: Fraction
    started: datetime
    longest_gap: timedelta
    changes: list[tuple[datetime, bool]] = field(default_factory=list)
    stopped: datetime | None = None
    runs: list[tuple[datetime, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.changes.append((self.started, True))
        self.runs.append((self.started, self.started + FIRST))

    @property
    def runs_now(self) -> bool:
        """Whether it was last said to run, and not to be suspended."""
        return self.changes[-1][1]

    def switch(self, at: datetime) -> None:
        """From then on it is suspended where it ran, and runs where it was suspended."""
        self.changes.append((at, not self.runs_now))

    def seen(self, at: datetime) -> None:
        """Somebody looked, and there it was."""
        began, ended = self.runs[-1]
        if at - ended > self.longest_gap:
            self.runs.append((at, at))
        else:
            self.runs[-1] = began, at

    def _stretches(self) -> Iterator[tuple[datetime, datetime, Fraction]]:
        """From when until when it was proven at one price an hour, in one month."""
        last = max(self.stopped or self.runs[-1][1], self.started + FIRST)
        ends = [at for at, _ in self.changes[1:]] + [last]
        for (begins, runs), ends_at in zip(self.changes, ends, strict=True):
            price = self.per_hour if runs else self.suspended_per_hour
            for seen_from, seen_to in self.runs:
                at, until = max(begins, seen_from), min(ends_at, seen_to)
                while at < until:
                    part = min(until, month_after(at))
                    yield at, part, price
                    at = part

    def costs(self) -> dict[str, int]:
        """What it has cost so far in each month, in millionths."""
        sums: dict[str, int] = defaultdict(int)
        for at, until, per_hour in self._stretches():
            seconds = (until - at) // FIRST
            sums[month_of(at)] += floor(per_hour * MICRO * seconds / 3600)
        return sums

    def cost(self) -> int:
        """What it has cost so far, in millionths."""
        return sum(self.costs().values())


@dataclass
class Payment:
    """One card payment, of what size, and what went back of it, in millionths."""

    id: str
    amount: int
    refunded: int = 0
    lost: int = 0
    arrived: bool = False
    """Whether it is in the books yet."""
    was_disputed: bool = False
    """Whether the card's holder has asked for it already, which can be done once."""

    @property
    def room(self) -> int:
        """What of it is spent, or still there."""
        return self.amount - self.refunded - self.lost


@dataclass
class Purse:
    """Everything that an organization paid, was given, used and had back, in millionths of its currency."""

    currency: str
    payments: list[Payment] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    promo: int = 0
    charged: dict[str, int] = field(default_factory=dict)
    used_of_paid: int = 0

    def grant(self, amount: int) -> None:
        """Promotional money comes in."""
        self.promo += amount

    def settle(self, lives: list[Life]) -> None:
        """Everything that is proven of these is charged, promotional money first."""
        for life in lives:
            cost = life.cost()
            due = cost - self.charged.get(life.id, 0)
            self.charged[life.id] = cost
            of_promo = min(due, self.promo)
            self.promo -= of_promo
            self.used_of_paid += due - of_promo

    @property
    def net(self) -> int:
        """What is in the wallet, or below zero what is owed."""
        return sum(payment.room for payment in self.payments) - self.used_of_paid

    def refundable(self, payment: Payment) -> int:
        """What of a payment can go back while nothing is set aside: the oldest money is spent first."""
        spent = sum(each.room for each in self.payments) - max(self.net, 0)
        for each in self.payments:
            of_this = min(each.room, spent)
            if each is payment:
                return min(each.room - of_this, max(self.net, 0))
            spent -= of_this
        raise LookupError(payment.id)

    def months(self) -> dict[str, int]:
        """What was charged for each month, in millionths."""
        sums: dict[str, int] = defaultdict(int)
        for life in self.lives:
            if life.id in self.charged:
                for month, amount in life.costs().items():
                    sums[month] += amount
        return sums
