"""What the ledger shows over HTTP."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from sublet.core.money import MoneyField
from sublet.ledger.entries import WalletLine


class SourceOut(BaseModel):
    """What an entry comes from."""

    type: str
    id: str


class EntryOut(BaseModel):
    """One line on the organization's accounts; `amount` is signed, positive in the customer's favour."""

    id: str
    entry_id: str
    kind: str
    account: Literal["wallet", "promo", "receivable"]
    description: str
    effective_at: datetime
    recorded_at: datetime
    amount: MoneyField
    balance_after: MoneyField
    source: SourceOut | None

    @classmethod
    def of(cls, line: WalletLine) -> "EntryOut":
        """The line as the API shows it."""
        entry = line.entry
        source = None
        if entry.source_type is not None and entry.source_id is not None:
            source = SourceOut(type=entry.source_type, id=entry.source_id)
        return cls(
            id=f"{entry.id}-{line.line}",
            entry_id=str(entry.id),
            kind=entry.kind,
            account=line.account,
            description=entry.description,
            effective_at=entry.effective_at,
            recorded_at=entry.recorded_at,
            amount=line.amount.field(),
            balance_after=line.balance_after.field(),
            source=source,
        )
