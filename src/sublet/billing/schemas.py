"""What billing shows over HTTP."""

from datetime import datetime

from pydantic import BaseModel

from sublet.billing.usage import Charge
from sublet.core.actions import ActionOut
from sublet.core.money import MoneyField, RateField


class WalletOut(BaseModel):
    """What the organization has and how long it lasts; `runway_seconds` ends where the grace begins."""

    organization_id: str
    currency: str
    balance: MoneyField
    held: MoneyField
    available: MoneyField
    promo: MoneyField
    receivable: MoneyField
    burn_per_hour: RateField
    runway_seconds: int | None
    warning: str | None
    suspend_at: datetime | None
    actions: list[ActionOut]


class ChargeOut(BaseModel):
    """One delivered interval and what it cost."""

    id: str
    period_start: datetime
    period_end: datetime
    seconds: int
    rate: RateField
    amount: MoneyField
    kind: str
    price_id: str
    evidence_at: datetime
    ledger_entry_id: str | None

    @classmethod
    def of(cls, charge: Charge) -> "ChargeOut":
        """The charge as the API shows it."""
        return cls(**_fields(charge))


class UsageOut(ChargeOut):
    """A charge with what it was for."""

    subject_id: str
    subject_name: str | None

    @classmethod
    def of(cls, charge: Charge) -> "UsageOut":
        """The charge as the API shows it."""
        return cls(**_fields(charge), subject_id=charge.subject_id, subject_name=charge.subject_name)


def _fields(charge: Charge) -> dict[str, object]:
    return {
        "id": str(charge.id),
        "period_start": charge.period_start,
        "period_end": charge.period_end,
        "seconds": charge.seconds,
        "rate": charge.rate.field(),
        "amount": charge.amount.field(),
        "kind": charge.kind,
        "price_id": charge.price_id,
        "evidence_at": charge.evidence_at,
        "ledger_entry_id": None if charge.ledger_entry_id is None else str(charge.ledger_entry_id),
    }
