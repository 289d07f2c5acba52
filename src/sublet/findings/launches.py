"""The finding that stops an organization's launches, for as long as it is open."""

from sqlalchemy import select

from sublet.core.db import Session
from sublet.findings.models import finding

STOP_CODE = "organization.launches_stopped"
STOP_SUBJECT = "organization"


async def are_stopped(session: Session, organization_id: str) -> bool:
    """Whether nothing new may start for an organization until an operator has seen to something."""
    found = await session.execute(
        select(finding.c.id).where(
            finding.c.code == STOP_CODE,
            finding.c.subject_type == STOP_SUBJECT,
            finding.c.subject_id == organization_id,
            finding.c.until.is_(None),
        )
    )
    return found.first() is not None
