"""The terminal's part of the AsyncAPI document, made from the models that the gateway validates with."""

from typing import Any

from sublet.terminal.frames import CLIENT_FRAMES, SERVER_FRAMES, SUBPROTOCOL

_DESCRIPTION = (
    f"Subprotocol `{SUBPROTOCOL}`, and no other beside it. Binary frames are the terminal's bytes in both directions; "
    "text frames are these messages. The client's first frame is `open`. Close codes: 1000 the shell has ended, 1001 "
    "Sublet restarts, 1008 a frame that is none of the protocol, 4401 signed out, 4403 forbidden, 4404 no such "
    "allocation, 4409 the allocation is not active, 4411 idle, 4429 too many terminals, 4502 the node failed."
)


def asyncapi_parts() -> dict[str, Any]:
    """`channels`, `operations` (as a client has them) and `components`, to be merged into the whole document."""
    messages: dict[str, Any] = {
        "terminal_bytes": {
            "name": "bytes",
            "contentType": "application/octet-stream",
            "payload": {"type": "string", "format": "binary"},
        }
    }
    models = {**CLIENT_FRAMES, **SERVER_FRAMES}
    for name, model in models.items():
        messages[f"terminal_{name}"] = {
            "name": name,
            "summary": model.__doc__,
            "contentType": "application/json",
            "payload": model.model_json_schema(),
        }
    return {
        "channels": {
            "terminal": {
                "address": "/api/v1/allocations/{allocation_id}/terminal",
                "description": _DESCRIPTION,
                "parameters": {"allocation_id": {"description": "The allocation to log in to."}},
                "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in messages},
            }
        },
        "operations": {
            "useTerminal": _operation("send", CLIENT_FRAMES),
            "showTerminal": _operation("receive", SERVER_FRAMES),
        },
        "components": {"messages": messages},
    }


def _operation(action: str, frames: dict[str, Any]) -> dict[str, Any]:
    names = ["terminal_bytes", *(f"terminal_{name}" for name in frames)]
    return {
        "action": action,
        "channel": {"$ref": "#/channels/terminal"},
        "messages": [{"$ref": f"#/channels/terminal/messages/{name}"} for name in names],
    }
