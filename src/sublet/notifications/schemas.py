"""Messages of the events channel, and the page that GET /events answers with."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sublet.core.outbox import StoredEvent


class Subscribe(BaseModel):
    """The client's first message: continue after an event's id, or from now on (null)."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(max_length=50)] | None = None


class Heartbeat(BaseModel):
    """Sent by both sides every 20 s."""

    type: Literal["heartbeat"] = "heartbeat"


class EventPage(BaseModel):
    """Events after a cursor, oldest first; `next_cursor` is where to go on, also when there was nothing new."""

    items: list[StoredEvent]
    next_cursor: str


def asyncapi(version: str, events: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The AsyncAPI 3 document of the events channel, made from the models that the server validates with."""
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for name, model in sorted(events.items()):
        key = name.replace(".", "_")
        schemas[key] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        for reference, definition in schemas[key].pop("$defs", {}).items():
            schemas[reference] = definition
        messages[key] = {
            "name": name,
            "contentType": "application/json",
            "payload": {
                "type": "object",
                "required": ["id", "type", "time", "subject", "data"],
                "properties": {
                    "id": {"type": "string"},
                    "type": {"const": name},
                    "time": {"type": "string", "format": "date-time"},
                    "subject": {"type": "string"},
                    "data": {"$ref": f"#/components/schemas/{key}"},
                },
            },
        }
    from_client: dict[str, type[BaseModel]] = {"subscribe": Subscribe, "heartbeat": Heartbeat}
    for key, client_message in from_client.items():
        messages[key] = {"name": key, "contentType": "application/json", "payload": client_message.model_json_schema()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sublet events",
            "version": version,
            "description": (
                "Subprotocol `sublet.events.v1`. The client's first message is `subscribe`. Close codes: 1001 going "
                "away, 4401 not authenticated, 4403 forbidden, 4408 too slow, 4410 the replay window has passed "
                "(read the resources again, then subscribe with null), 4429 too many channels of one person are open, "
                "1008 a message that is none of the protocol. Both sides send `heartbeat` every 20 s; a channel on "
                "which the client is silent for 65 s is closed with 1001."
            ),
        },
        "channels": {
            "events": {
                "address": "/api/v1/events",
                "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
            }
        },
        "operations": {
            "receiveEvents": {
                "action": "receive",
                "channel": {"$ref": "#/channels/events"},
                "messages": [{"$ref": f"#/channels/events/messages/{key}"} for key in messages if key != "subscribe"],
            },
            "subscribe": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "messages": [
                    {"$ref": "#/channels/events/messages/subscribe"},
                    {"$ref": "#/channels/events/messages/heartbeat"},
                ],
            },
        },
        "components": {"messages": messages, "schemas": schemas},
    }
