"""Who may log in: the SSH keys of the organization's members follow every change of them."""

from sqlalchemy import text

from sublet.allocations import records
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent
from sublet.fleet import certificates

_RUNNING_OF = text(
    """
    SELECT id FROM allocation
     WHERE organization_id = :organization_id AND state IN ('provisioning', 'active', 'suspended', 'lost')
     ORDER BY id
    """
)


async def refresh_keys(session: Session, event: StoredEvent) -> None:
    """Place the organization's SSH keys anew on its nodes; handler of `organization.access_changed`.

    Harmless when repeated: the node gets the whole list of keys each time.
    """
    running = await session.execute(_RUNNING_OF, {"organization_id": event.subject})
    for allocation_id in list(running.scalars()):
        await records.freshen(session, allocation_id)


async def revoke_certificates(session: Session, event: StoredEvent) -> None:
    """Revoke what a locked-out person still holds; handler of `organization.access_changed`, harmless when repeated."""
    if event.data["reason"] == "user_disabled":
        await certificates.revoke_user(session, event.data["user_id"], reason="the account was disabled")
