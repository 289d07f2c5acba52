"""What identity tells the rest of Sublet."""

from typing import ClassVar, Literal

from sublet.core.db import Session
from sublet.core.outbox import Event, publish


class OrganizationCreated(Event):
    """Somebody signed up, and an organization with its owner came to be."""

    type: ClassVar[str] = "organization.created"

    organization_id: str
    name: str


class OrganizationAccessChanged(Event):
    """Who may reach the organization's allocations, or with which SSH keys, is no longer as it was."""

    type: ClassVar[str] = "organization.access_changed"

    organization_id: str
    user_id: str
    reason: Literal["ssh_key_added", "ssh_key_removed", "user_disabled"]


class UserDisabled(Event):
    """A person was locked out of Sublet, whichever organizations they are in, if any."""

    type: ClassVar[str] = "user.disabled"

    user_id: str


async def publish_access_changed(
    session: Session,
    organization_ids: list[str],
    *,
    user_id: str,
    reason: Literal["ssh_key_added", "ssh_key_removed", "user_disabled"],
) -> None:
    """Tell of the change once for each organization of the user."""
    for organization_id in organization_ids:
        await publish(
            session,
            OrganizationAccessChanged(organization_id=organization_id, user_id=user_id, reason=reason),
            subject=organization_id,
            organization_id=organization_id,
        )
