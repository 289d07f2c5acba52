"""The finding that stops an organization's launches, for as long as it is open."""

from sublet.core.db import Session
from sublet.findings import findings

STOP_CODE = "organization.launches_stopped"
STOP_SUBJECT = "organization"


async def are_stopped(session: Session, organization_id: str) -> bool:
    """Whether nothing new may start for an organization until an operator has seen to something."""
    return await findings.is_open(session, code=STOP_CODE, subject_type=STOP_SUBJECT, subject_id=organization_id)
