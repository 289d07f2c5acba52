"""Promotional credit: what a customer has, what operators gave, and codes."""

from typing import TypedDict

from sublet.client.shapes.amounts import Action, Money
from sublet.client.shapes.approvals import Approval


class Credit(TypedDict):
    """Credit that was given at one time, what is left of it, and what had expired when it ended."""

    id: str
    amount: Money
    left: Money
    expired: Money
    expires_at: str | None
    given_at: str | None
    reason: str


class Redeemed(TypedDict):
    """What a code put into the wallet."""

    amount: Money


class Grant(TypedDict):
    """Credit that an operator gave."""

    id: str
    organization_id: str
    amount: Money
    reason: str
    granted_by: str
    expires_at: str | None
    created_at: str


class MadeGrant(TypedDict):
    """The credit; or, while it is null, the approval that somebody else has to give first."""

    credit: Grant | None
    approval: Approval | None


class CreditBudget(TypedDict):
    """What operators may give this month without a second person, what of it is given, and what is left."""

    whole: Money
    given: Money
    left: Money


class PromoCode(TypedDict):
    """A code, and how far it is used."""

    id: str
    code: str
    amount: Money
    most_uses: int
    uses: int
    valid_days: int | None
    expires_at: str
    reason: str
    made_by: str
    created_at: str
    ended_at: str | None
    is_over: bool
    actions: list[Action]


class MadePromoCode(TypedDict):
    """The code; or, while it is null, the approval that somebody else has to give first."""

    promo_code: PromoCode | None
    approval: Approval | None
