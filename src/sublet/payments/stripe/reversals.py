"""Refunds and disputes as the processor shows them: what each is now, whatever was told of it before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import stripe

from sublet.core.currencies import micro_per_unit
from sublet.core.money import Money

REFUND_KEY = "sublet_refund"
ANSWER_KEY = "sublet_answer"

PENDING = frozenset({"pending", "requires_action"})


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """What a refund is made from. It depends on the stored refund alone, so that a repeated call is the same call.

    `processor_id` is the processor's name for one that it is known to have: that is looked at, and never made again.
    """

    refund_id: str
    charge_id: str
    amount: Money
    metadata: dict[str, str]
    processor_id: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    """An answer to a dispute, as it was written down: `evidence` is by the processor's names of its fields."""

    answer_id: str
    dispute_id: str
    evidence: dict[str, str]


@dataclass(frozen=True, slots=True)
class RefundSeen:
    """How a refund stands; `refund_id` is ours, which it names, or None for one that was made at the processor."""

    id: str
    refund_id: str | None
    amount: Money
    status: str
    failure: str | None

    @property
    def is_pending(self) -> bool:
        """Whether its money is still on the way."""
        return self.status in PENDING


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction of a dispute: `amount` and `fee` were taken from us, or given back."""

    id: str
    amount: Money
    fee: Money
    given_back: bool


@dataclass(frozen=True, slots=True)
class DisputeSeen:
    """How a dispute stands."""

    id: str
    amount: Money
    status: str
    reason: str
    due_by: datetime | None
    created_at: datetime
    movements: tuple[Movement, ...]

    @property
    def is_inquiry(self) -> bool:
        """Whether the bank only asks: no money has moved."""
        return self.status.startswith("warning_")


def money(units: int, currency: str) -> Money:
    """What so many of the processor's units are worth; its currencies are in small letters."""
    code = currency.upper()
    return Money(units * micro_per_unit(code), code)


def refund_of(found: stripe.Refund) -> RefundSeen:
    """A refund of the SDK as ours."""
    metadata: dict[str, str] = {} if found.metadata is None else found.metadata.to_dict()
    return RefundSeen(
        id=found.id,
        refund_id=metadata.get(REFUND_KEY),
        amount=money(found.amount, found.currency),
        status=found.status or "pending",
        failure=getattr(found, "failure_reason", None),
    )


def dispute_of(found: stripe.Dispute) -> DisputeSeen:
    """A dispute of the SDK as ours."""
    due_by = found.evidence_details.due_by
    return DisputeSeen(
        id=found.id,
        amount=money(found.amount, found.currency),
        status=found.status,
        reason=found.reason,
        due_by=datetime.fromtimestamp(due_by, tz=UTC) if due_by else None,
        created_at=datetime.fromtimestamp(found.created, tz=UTC),
        movements=_movements(found.balance_transactions),
    )


def _movements(transactions: Sequence[stripe.BalanceTransaction]) -> tuple[Movement, ...]:
    """What was taken and given back; a transaction of nothing moves nothing."""
    moved = []
    for one in transactions:
        given_back = one.net > 0
        way = 1 if given_back else -1
        amount, fee = money(way * one.amount, one.currency), money(-way * one.fee, one.currency)
        if amount.micro or fee.micro:
            moved.append(Movement(one.id, amount, fee, given_back))
    return tuple(moved)
