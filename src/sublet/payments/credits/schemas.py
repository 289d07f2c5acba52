"""Credits as customers and operators see them."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sublet.approvals.schemas import ApprovalOut
from sublet.core.actions import ActionOut
from sublet.core.money import CurrencyCode, MoneyField
from sublet.ledger.credits import CreditLot
from sublet.payments.credits.budget import Budget
from sublet.payments.credits.codes import PromoCode
from sublet.payments.credits.grants import Grant
from sublet.payments.schemas import Amount

Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
Days = Annotated[int, Field(ge=1, le=3650)]


class Redeeming(BaseModel):
    """The code as it was typed; upper and lower case are one."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class RedeemedOut(BaseModel):
    """What was put into the wallet."""

    amount: MoneyField


class CreditOut(BaseModel):
    """Credit that the organization was given, what is left of it, and what of it had expired when it ended."""

    id: str
    amount: MoneyField
    left: MoneyField
    expired: MoneyField
    expires_at: datetime | None
    given_at: datetime | None
    reason: str

    @classmethod
    def of(cls, lot: CreditLot) -> Self:
        """The credit as shown."""
        return cls(
            id=str(lot.id),
            amount=lot.amount.field(),
            left=lot.left.field(),
            expired=lot.expired.field(),
            expires_at=lot.expires_at,
            given_at=lot.given_at,
            reason=lot.reason,
        )


class NewGrant(BaseModel):
    """Credit for one organization; `valid_days` is null for credit that does not expire."""

    model_config = ConfigDict(extra="forbid")

    organization_id: Annotated[str, StringConstraints(max_length=64)]
    amount: Amount = Field(examples=["10.00"])
    currency: CurrencyCode
    valid_days: Days | None
    reason: Words = Field(description="The customer reads it.")


class GrantOut(BaseModel):
    """Credit that an operator gave."""

    id: str
    organization_id: str
    amount: MoneyField
    reason: str
    granted_by: str
    expires_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, one: Grant) -> Self:
        """The grant as shown."""
        return cls(
            id=one.id,
            organization_id=one.organization_id,
            amount=one.amount.field(),
            reason=one.reason,
            granted_by=one.granted_by_name,
            expires_at=one.expires_at,
            created_at=one.created_at,
        )


class MadeGrantOut(BaseModel):
    """The credit; or, while it is null, the approval that somebody else has to give first."""

    credit: GrantOut | None
    approval: ApprovalOut | None


class BudgetOut(BaseModel):
    """What operators may give this month without a second person, what of it is given, and what is left."""

    whole: MoneyField
    given: MoneyField
    left: MoneyField

    @classmethod
    def of(cls, one: Budget) -> Self:
        """The budget as shown."""
        return cls(whole=one.whole.field(), given=one.given.field(), left=one.left.field())


class NewPromoCode(BaseModel):
    """A code that can be redeemed for `days` by `most_uses` organizations, each once; what it gives lasts `valid_days`
    from then, or for ever where that is null."""

    model_config = ConfigDict(extra="forbid")

    code: Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{6,38}[A-Za-z0-9]$")] = (
        Field(examples=["SPRING-7Q4M-X2"])
    )
    amount: Amount = Field(examples=["10.00"])
    currency: CurrencyCode
    most_uses: Annotated[int, Field(ge=1, le=100_000)]
    days: Days
    valid_days: Days | None
    reason: Words


class PromoCodeOut(BaseModel):
    """A code, and how far it is used."""

    id: str
    code: str
    amount: MoneyField
    most_uses: int
    uses: int
    valid_days: int | None
    expires_at: datetime
    reason: str
    made_by: str
    created_at: datetime
    ended_at: datetime | None
    is_over: bool
    actions: list[ActionOut]

    @classmethod
    def of(cls, one: PromoCode, actions: list[ActionOut]) -> Self:
        """The code as shown."""
        return cls(
            id=one.id,
            code=one.code,
            amount=one.amount.field(),
            most_uses=one.most_uses,
            uses=one.uses,
            valid_days=one.valid_days,
            expires_at=one.expires_at,
            reason=one.reason,
            made_by=one.made_by_name,
            created_at=one.created_at,
            ended_at=one.ended_at,
            is_over=one.is_over,
            actions=actions,
        )


class MadePromoCodeOut(BaseModel):
    """The code; or, while it is null, the approval that somebody else has to give first."""

    promo_code: PromoCodeOut | None
    approval: ApprovalOut | None
