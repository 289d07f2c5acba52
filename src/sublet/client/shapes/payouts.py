"""What the card processor sends to the bank."""

from typing import TypedDict

from sublet.client.shapes.amounts import Money


class Payout(TypedDict):
    """A payout; `left` and `made_of` are null while they are not known, and `off_by` where neither differs."""

    id: str
    processor_id: str
    amount: Money
    automatic: bool
    state: str
    arrives_on: str
    failure: str | None
    created_at: str
    ended_at: str | None
    left: Money | None
    made_of: Money | None
    off_by: Money | None


class PayoutChange(TypedDict):
    """One change of a payout's state."""

    previous: str
    next: str
    reason: str
    at: str


class WholePayout(Payout):
    """A payout with all that became of it, oldest first."""

    history: list[PayoutChange]


class PayoutTransaction(TypedDict):
    """A balance transaction that a payout is made of; `net` is what it adds."""

    id: str
    type: str
    amount: Money
    fee: Money
    net: Money
    source: str | None
    whose: str
    created_at: str
