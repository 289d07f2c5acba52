"""One request's view of the sandbox: the store, the time, and the events it gives rise to."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

from sublet_sandbox.stripe.errors import no_such
from sublet_sandbox.stripe.store import Resource, Store, new_id

API_VERSION = "2026-10-28.endive"


def public(resource: Resource) -> Resource:
    """The object as the outside may see it."""
    return {name: copy.deepcopy(value) for name, value in resource.items() if not name.startswith("_")}


@dataclass(frozen=True)
class Work:
    """Passed to everything that reads or changes the sandbox's state."""

    store: Store
    base_url: str
    request_id: str | None = None
    idempotency_key: str | None = None

    def now(self) -> int:
        """Unix seconds."""
        return int(time.time())

    def fetch(self, kind: str, resource_id: str, *, param: str = "id") -> Resource:
        """The object, or Stripe's 404."""
        found = self.store.get(resource_id, kind)
        if found is None:
            raise no_such(kind, resource_id, param=param)
        return found

    def emit(self, event_type: str, resource: Resource) -> None:
        """Record an event with a snapshot of the object, and queue its delivery by the mode in force.

        One that tells of a change says what was changed, as it was when an event last told of the object.
        """
        data: Resource = {"object": public(resource)}
        if event_type.endswith(".updated") or event_type == "charge.refunded":
            before = self.store.last_told(resource["id"])
            data["previous_attributes"] = {} if before is None else _changed(before, data["object"])
        event: Resource = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": event_type,
        }
        self.store.insert(event)
        mode = self.store.setting("delivery_mode", "send")
        progress = {"send": "due", "hold": "held", "drop": "dropped"}[mode]
        for _ in range(int(self.store.setting("delivery_copies", 1))):
            self.store.execute(
                "INSERT INTO delivery (event_id, progress, due_at) VALUES (?, ?, ?)",
                (event["id"], progress, time.time()),
            )


def _changed(before: Resource, after: Resource) -> Resource:
    """The values that were others before, within objects those alone; null for what was not there."""
    found: Resource = dict.fromkeys(after.keys() - before.keys())
    for name, was in before.items():
        now = after.get(name)
        if was == now:
            continue
        found[name] = _changed(was, now) if isinstance(was, dict) and isinstance(now, dict) else was
    return found


def shaped(work: Work, kind: str, prefix: str, fields: dict[str, Any]) -> Resource:
    """A new object: the fields that every kind has, and then its own."""
    return {"id": new_id(prefix), "object": kind, "created": work.now(), **fields}
