"""Letters about the place that a suspended allocation has on its node: until when, that it is gone, that it waits."""

from datetime import datetime, timedelta

from sublet.core.actors import Permission
from sublet.core.db import Session
from sublet.core.outbox import StoredEvent
from sublet.notifications.kinds import Kind, Letter, in_utc

_SEE = "See the allocation"
_SOON = timedelta(minutes=1)


def _letter(event: StoredEvent, title: str, *sentences: str) -> Letter:
    return Letter(title, sentences, f"/allocations/{event.data['allocation_id']}", _SEE)


async def _ending(_session: Session, event: StoredEvent) -> Letter:
    name, until = event.data["name"], datetime.fromisoformat(event.data["kept_until"])
    then = "After that it is resumed only when that node has room for it again. Its files are kept there."
    if until <= event.time + _SOON:
        given = f"{name} is suspended, and its place on its node is given to others."
        return _letter(event, f"{name} keeps no place on its node", given, then)
    when = in_utc(until)
    return _letter(
        event,
        f"{name} keeps its place until {when}",
        f"{name} is suspended. Its place on its node is kept for it until {when}.",
        then,
        "Resume it before if you need it.",
    )


async def _ended(_session: Session, event: StoredEvent) -> Letter:
    name = event.data["name"]
    return _letter(
        event,
        f"{name} has given its place back",
        f"{name} is suspended, and its place on its node is free for others. Its files are kept there.",
        "You pay for its disk alone since its time there was over. It can be resumed when that node has room for it.",
    )


async def _waits(_session: Session, event: StoredEvent) -> Letter:
    name = event.data["name"]
    if not event.data["waits"]:
        return _letter(
            event,
            f"{name} waits for room no longer",
            f"{name} could run again, and others have had its place all the time. Its files are kept, and you pay for "
            "its disk.",
            "Resume it yourself when there is room, or release it.",
        )
    return _letter(
        event,
        f"{name} waits for room on its node",
        f"{name} may run again, and others have its place. It is started by itself as soon as its node has room.",
        "Its files are kept, and until then you pay for its disk alone. Launch elsewhere if you cannot wait.",
    )


KINDS = (
    Kind(
        "allocation.claim_ending",
        "A suspended allocation will lose its place on its node",
        ("allocation.claim_ending",),
        Permission.ALLOCATION_READ,
        _ending,
        always="Others have the place then, and nobody could undo that afterwards.",
    ),
    Kind(
        "allocation.claim_ended",
        "A suspended allocation has lost its place on its node",
        ("allocation.claim_ended",),
        Permission.ALLOCATION_READ,
        _ended,
    ),
    Kind(
        "allocation.waits_for_room",
        "An allocation may run again and waits for room on its node",
        ("allocation.waits_for_room",),
        Permission.ALLOCATION_READ,
        _waits,
    ),
)
