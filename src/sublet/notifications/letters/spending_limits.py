"""Letters about spending limits: how much of one is spent, and that one is reached."""

from datetime import datetime

from sublet.client.formats import money
from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent
from sublet.identity.organizations import name_of
from sublet.notifications.kinds import Kind, Letter, in_utc

_LIMITS = "/billing?view=limits"
_SEE = "See your limits"


async def _whose(session: Session, event: StoredEvent) -> str:
    """Of what it is a limit: `Engines for this day`, `the allocation trainer`."""
    if event.data["scope"] == "allocation":
        return f"the allocation {event.data['subject_name'] or event.data['subject_id']}"
    return f"{await name_of(session, event.organization_id)} for this {event.data['scope']}"


async def _spent(session: Session, event: StoredEvent) -> Letter | None:
    percent = event.data["percent"]
    if percent >= 100:
        return None  # it is reached then, which is a notice of its own
    limit, spent = money(event.data["amount"]), money(event.data["spent"])
    return Letter(
        f"{percent} percent of a spending limit are spent",
        (
            f"The spending limit of {await _whose(session, event)} is {limit}, and {spent} of it are spent.",
            "Shortly before all of it is spent, what runs under it is suspended: its programs end, and its files stay.",
            "Raise the limit, or release what is not needed.",
        ),
        _LIMITS,
        _SEE,
    )


async def _reached(session: Session, event: StoredEvent) -> Letter:
    limit, spent = money(event.data["amount"]), money(event.data["spent"])
    ends = event.data["ends_at"]
    then = "Raise or clear the limit, and what was suspended for it is started again by itself."
    if ends is not None:
        then += f" Otherwise that happens at {in_utc(datetime.fromisoformat(ends))}, when the next period begins."
    return Letter(
        "A spending limit is reached",
        (
            f"Of the spending limit of {await _whose(session, event)}, which is {limit}, {spent} are spent.",
            "What runs under it is suspended: its programs end, and its files are kept. Nothing new starts under it.",
            then,
        ),
        _LIMITS,
        _SEE,
    )


KINDS = (
    Kind(
        "spending.alerted",
        "Half of a spending limit is spent, and four fifths of it",
        ("spending.alerted",),
        Permission.SPENDING_LIMIT_MANAGE,
        _spent,
    ),
    Kind(
        "spending_limit.reached",
        "A spending limit is reached, and what runs under it is suspended",
        ("spending_limit.reached",),
        Permission.ALLOCATION_READ,
        _reached,
        always="Programs end with it, and nobody could undo that afterwards.",
    ),
)
