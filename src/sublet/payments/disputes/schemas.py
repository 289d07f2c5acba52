"""Disputes as operators see them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row

from sublet.core.actions import ActionOut
from sublet.core.money import Money, MoneyField
from sublet.payments.disputes.states import DisputeState


class AnswerOut(BaseModel):
    """The newest answer to the bank: who gave it and when, when the processor took it, or why it did not."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    answered_by_name: str
    created_at: datetime
    sent_at: datetime | None
    refusal: str | None


class DisputeOut(BaseModel):
    """What a card holder asked the bank to have back. An inquiry has moved no money.

    `taken` is what the processor holds for it; `charged` what its customer was charged when it was lost, and `owed`
    what of that the wallet did not hold. It has to be answered by `due_by`.
    """

    id: str
    processor_id: str
    organization_id: str
    top_up_id: str
    amount: MoneyField
    reason: str
    state: DisputeState
    taken: MoneyField
    charged: MoneyField
    owed: MoneyField
    due_by: datetime | None
    disputed_at: datetime
    decided_at: datetime | None
    answer: AnswerOut | None
    actions: list[ActionOut]

    @classmethod
    def of(cls, row: Row[tuple[Any, ...]], answer: Row[tuple[Any, ...]] | None, actions: list[ActionOut]) -> Self:
        """The dispute as shown."""

        def money(micro: int) -> MoneyField:
            return Money(micro, row.currency).field()

        return cls(
            id=row.id,
            processor_id=row.processor_id,
            organization_id=row.organization_id,
            top_up_id=row.top_up_id,
            amount=money(row.amount),
            reason=row.reason,
            state=row.state,
            taken=money(row.taken),
            charged=money(row.charged),
            owed=money(row.owed),
            due_by=row.due_by,
            disputed_at=row.disputed_at,
            decided_at=row.decided_at,
            answer=None if answer is None else AnswerOut.model_validate(answer),
            actions=actions,
        )
