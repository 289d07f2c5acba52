"""What of refunds and adjustments goes into the audit trail."""

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


class RefundDecisionRecord(Recorded):
    """What was decided about what a customer asked to have back."""

    top_up_id: Annotated[str, TRACK]
    amount: Annotated[str, TRACK]
    state: Annotated[str, TRACK]
    decision: Annotated[str, TRACK]
