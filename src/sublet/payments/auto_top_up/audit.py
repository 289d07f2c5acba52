"""What of auto top-up goes into the audit trail."""

from datetime import datetime
from typing import Annotated

from sublet.audit.fields import IGNORE, TRACK, Recorded


class AutoTopUpRecord(Recorded):
    """When and how much is topped up, in micro-units, as the trail keeps it."""

    organization_id: Annotated[str, IGNORE]
    currency: Annotated[str, TRACK]
    threshold: Annotated[int, TRACK]
    amount: Annotated[int, TRACK]
    monthly_cap: Annotated[int, TRACK]
    enabled: Annotated[bool, TRACK]
    set_at: Annotated[datetime, IGNORE]
