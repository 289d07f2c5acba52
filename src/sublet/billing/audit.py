"""What of billing goes into the audit trail."""

from typing import Annotated

from sublet.audit.fields import TRACK, Recorded


class SpendingLimitRecord(Recorded):
    """A spending limit in micro-units, as the trail keeps it."""

    scope: Annotated[str, TRACK]
    subject_id: Annotated[str | None, TRACK]
    currency: Annotated[str, TRACK]
    amount: Annotated[int, TRACK]
