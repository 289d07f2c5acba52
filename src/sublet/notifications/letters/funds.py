"""Letters about funds that come to their end, about what that stops, and what it deletes at last."""

from datetime import datetime

from sublet.client.formats import duration, money
from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent
from sublet.identity.organizations import name_of
from sublet.notifications.kinds import Kind, Letter, in_utc

_BILLING = "/billing"
_ADD = "Add funds"
_OUT = frozenset({"grace", "suspended"})


async def _low(session: Session, event: StoredEvent) -> Letter | None:
    if event.data["threshold"] in _OUT:
        return None
    name, left = await name_of(session, event.organization_id), duration(event.data["runway_seconds"])
    return Letter(
        f"Your funds last for another {left}",
        (
            f"At what runs in {name} now, its funds last for another {left}.",
            "When they are used up, what runs goes on for a short grace and is then suspended: its programs end, and "
            "its files are kept for a time that is announced.",
            "Add funds, or release what is not needed.",
        ),
        _BILLING,
        _ADD,
    )


async def _out(session: Session, event: StoredEvent) -> Letter | None:
    if event.data["threshold"] not in _OUT:
        return None
    name = await name_of(session, event.organization_id)
    if event.data["threshold"] == "suspended":
        return Letter(
            "Your allocations are suspended for lack of funds",
            (
                f"The funds of {name} are used up and the grace is over: what ran is suspended.",
                "Its programs have ended. Its files are kept for a time that is announced.",
                "Add funds, and it is started again by itself.",
            ),
            _BILLING,
            _ADD,
        )
    ends = event.data.get("suspend_at")
    when = "when the grace is over" if ends is None else f"at {in_utc(datetime.fromisoformat(ends))}"
    return Letter(
        "Your funds are used up",
        (
            f"The funds of {name} are used up. What runs there goes on for now.",
            f"It is suspended {when} unless funds are added before: its programs end then.",
        ),
        _BILLING,
        _ADD,
    )


async def _kept(session: Session, event: StoredEvent) -> Letter:
    name, ends = await name_of(session, event.organization_id), in_utc(datetime.fromisoformat(event.data["deletes_at"]))
    return Letter(
        f"Without a top-up your files are deleted at {ends}",
        (
            f"Nothing pays for what is suspended in {name}.",
            f"At {ends} it is released, and its files are deleted for good.",
            "A top-up before then that pays what is owed, and lets what is suspended run again, cancels that. "
            "A smaller one moves the date, but only once.",
        ),
        _BILLING,
        _ADD,
    )


async def _expiring(session: Session, event: StoredEvent) -> Letter:
    name, amount = await name_of(session, event.organization_id), money(event.data["amount"])
    ends = in_utc(datetime.fromisoformat(event.data["expires_at"]))
    return Letter(
        f"{amount} of credit expire at {ends}",
        (
            f"{name} has {amount} of promotional credit that can be spent until {ends}. What is left then is gone.",
            "It is spent before anything that was paid in.",
        ),
        "/billing?view=credits",
        "See your credit",
    )


KINDS = (
    Kind(
        "wallet.low",
        "Your funds will be used up soon: 72 hours, 24 hours, 1 hour and 10 minutes before",
        ("wallet.low",),
        Permission.WALLET_TOP_UP,
        _low,
    ),
    Kind(
        "wallet.out",
        "Your funds are used up, and what runs is suspended",
        ("wallet.low",),
        Permission.ALLOCATION_READ,
        _out,
        always="It is the last word before programs end, and nobody could undo that afterwards.",
    ),
    Kind(
        "data_clock.announced",
        "Nothing pays for what is suspended, and its files are deleted at a date",
        ("data_clock.announced",),
        Permission.ALLOCATION_READ,
        _kept,
        always="Files are deleted at its end, and nobody could undo that afterwards.",
    ),
    Kind(
        "credit.expiring",
        "Promotional credit expires: a week and a day before",
        ("credit.expiring",),
        Permission.WALLET_TOP_UP,
        _expiring,
    ),
)
