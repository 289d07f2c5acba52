"""What of refunds and adjustments goes into the audit trail."""

from datetime import datetime
from typing import Annotated

from sublet.audit.fields import TRACK, Recorded


class RefundRecord(Recorded):
    """A refund as an operator asked for it."""

    top_up_id: Annotated[str, TRACK]
    amount: Annotated[str, TRACK]
    reason: Annotated[str, TRACK]


class AdjustmentRecord(Recorded):
    """A correction within the books."""

    organization_id: Annotated[str, TRACK]
    amount: Annotated[str, TRACK]
    direction: Annotated[str, TRACK]
    reason: Annotated[str, TRACK]


class CreditRecord(Recorded):
    """Promotional money that an operator gave."""

    organization_id: Annotated[str, TRACK]
    amount: Annotated[str, TRACK]
    expires_at: Annotated[datetime | None, TRACK]
    reason: Annotated[str, TRACK]


class PromoCodeRecord(Recorded):
    """A code that customers redeem."""

    code: Annotated[str, TRACK]
    amount: Annotated[str, TRACK]
    most_uses: Annotated[int, TRACK]
    valid_days: Annotated[int | None, TRACK]
    expires_at: Annotated[datetime, TRACK]
    ended_at: Annotated[datetime | None, TRACK]
    reason: Annotated[str, TRACK]


class RedemptionRecord(Recorded):
    """What a customer took with a code."""

    organization_id: Annotated[str, TRACK]
    amount: Annotated[str, TRACK]


class RefundDecisionRecord(Recorded):
    """What was decided about what a customer asked to have back."""

    top_up_id: Annotated[str, TRACK]
    amount: Annotated[str, TRACK]
    state: Annotated[str, TRACK]
    decision: Annotated[str, TRACK]
