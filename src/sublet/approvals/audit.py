"""What of approvals goes into the audit trail."""

from datetime import datetime
from typing import Annotated, Any

from sublet.audit.fields import IGNORE, TRACK, Recorded


class ApprovalRecord(Recorded):
    """An approval as the trail keeps it."""

    id: Annotated[str, IGNORE]
    act: Annotated[str, TRACK]
    subject: Annotated[str, TRACK]
    parameters: Annotated[dict[str, Any], TRACK]
    reason: Annotated[str, TRACK]
    state: Annotated[str, TRACK]
    requested_by: Annotated[str, TRACK]
    expires_at: Annotated[datetime, TRACK]
    decided_by: Annotated[str | None, TRACK]
