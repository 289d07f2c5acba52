"""Who may log in: the SSH keys of the organization's members follow every change of them."""

from sqlalchemy import text

from sublet.allocations import rows
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent
from sublet.fleet import certificates

_LOCKED_OUT = frozenset({"ssh_key_removed", "user_disabled"})
"""Reasons after which somebody who is connected may no longer be."""

_RUNNING_OF = text(
    """
    SELECT id FROM allocation
     WHERE organization_id = :organization_id AND state IN ('provisioning', 'active', 'suspended', 'lost')
     ORDER BY id
    """
)


async def refresh_keys(session: Session, event: StoredEvent) -> None:
    """Place the organization's SSH keys anew on its nodes; handler of `organization.access_changed`.

    Where somebody is locked out, or a key is, open connections end too, all but those that the node knows to have been
    opened by a key that is still on the list. Harmless when repeated: the node gets the whole list of keys each time.
    """
    disconnect = event.data["reason"] in _LOCKED_OUT
    running = await session.execute(_RUNNING_OF, {"organization_id": event.subject})
    for allocation_id in list(running.scalars()):
        await rows.freshen(session, allocation_id, disconnect=disconnect)


async def revoke_certificates(session: Session, event: StoredEvent) -> None:
    """Revoke what a locked-out person still holds; handler of `user.disabled`, harmless when repeated."""
    await certificates.revoke_user(session, event.data["user_id"], reason="the account was disabled")
