"""GET /events for programs, and the events WebSocket."""

from typing import Annotated

from fastapi import Depends, Query, WebSocket

from sublet.core.actors import Permission
from sublet.core.app import Slot
from sublet.core.errors import InvalidInput
from sublet.core.http import ActorDep, SessionDep, SubletRouter
from sublet.core.outbox import is_gapless, latest_cursor, parse_cursor, read_after
from sublet.core.pages import unknown_cursor
from sublet.core.websockets import DoorDep
from sublet.notifications.channel import sees_platform, serve_events
from sublet.notifications.hub import EventHub
from sublet.notifications.policy import EventsPolicy
from sublet.notifications.schemas import EventPage

router = SubletRouter(prefix="/api/v1/events", tags=["live"])

EVENT_HUB: Slot[EventHub] = Slot("event hub")
EVENTS_POLICY: Slot[EventsPolicy] = Slot("policy of events channels")


class CursorTooOld(InvalidInput):
    """Between the cursor and now events were forgotten."""

    code = "cursor_too_old"
    title = "The cursor is too old"


@router.get("", permission=Permission.EVENTS_READ)
async def list_events(
    actor: ActorDep,
    session: SessionDep,
    after: Annotated[str | None, Query(max_length=50, description="`next_cursor` or an event's id.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> EventPage:
    """Events after a cursor, oldest first; without one, only the place from which new events can be read."""
    if after is None:
        xid, number = await latest_cursor(session)
        return EventPage(items=[], next_cursor=f"{xid}-{number}")
    cursor = parse_cursor(after)
    if cursor is None:
        raise unknown_cursor(field="after")
    if not await is_gapless(session, cursor):
        raise CursorTooOld(
            "Events after this place are not kept any more, so some would be missed. Nothing was read. Read what you "
            "follow anew, and go on from the cursor that this route gives without `after`.",
            field="after",
        )
    events = await read_after(
        session, cursor, organization_id=actor.organization_id or "", platform=sees_platform(actor), limit=limit
    )
    last = events[-1][0] if events else cursor
    return EventPage(items=[event for _, event in events], next_cursor=f"{last[0]}-{last[1]}")


@router.api.websocket("")
async def events(
    websocket: WebSocket,
    door: DoorDep,
    hub: Annotated[EventHub, Depends(EVENT_HUB)],
    policy: Annotated[EventsPolicy, Depends(EVENTS_POLICY)],
) -> None:
    """The events channel, subprotocol `sublet.events.v1`; see /asyncapi.json."""
    await serve_events(websocket, door, hub, policy)
