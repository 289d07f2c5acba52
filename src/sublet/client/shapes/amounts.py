"""The small shapes that all others are made of."""

from typing import TypedDict


class Money(TypedDict):
    """An exact amount: a decimal string with two to six places."""

    amount: str
    currency: str


class Rate(TypedDict):
    """A price per hour: a decimal string with up to nine places."""

    amount: str
    currency: str
    per: str


class Action(TypedDict):
    """What the caller may do with a resource now, and if not, why not."""

    name: str
    allowed: bool
    reason: str | None
