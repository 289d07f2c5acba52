"""What of cards goes into the audit trail."""

from datetime import datetime
from typing import Annotated

from sublet.audit.fields import IGNORE, TRACK, Recorded


class CardRecord(Recorded):
    """A saved card as the trail keeps it."""

    id: Annotated[str, IGNORE]
    brand: Annotated[str, TRACK]
    last4: Annotated[str, TRACK]
    is_default: Annotated[bool, TRACK]
    saved_at: Annotated[datetime, IGNORE]
