"""Events as the sandbox made them, delivered by a test's own hand: any time, any order, any signature."""

import json
import time
from typing import Any

import httpx
import stripe

from sublet.payments.api import WEBHOOK_PATH
from tests.payments.shop import Shop
from tests.sandbox.stripe.process import WEBHOOK_SECRET


def events_of(shop: Shop, top_up_id: str) -> list[dict[str, Any]]:
    """Every event about a top-up, oldest first."""
    found = shop.sandbox.client().v1.events.list({"limit": 100}).data
    events: list[dict[str, Any]] = [event.to_dict() for event in reversed(found)]
    return [
        event for event in events if (event["data"]["object"].get("metadata") or {}).get("sublet_top_up") == top_up_id
    ]


def signed(body: bytes, *, secret: str = WEBHOOK_SECRET, age_seconds: int = 0) -> str:
    """A signature header made `age_seconds` ago."""
    header: str = stripe.WebhookSignature.generate_signature_header(
        body.decode(), secret, int(time.time()) - age_seconds
    )
    return header


async def deliver(shop: Shop, event: dict[str, Any] | bytes, signature: str | None = None) -> httpx.Response:
    """POST an event to the webhook, properly signed unless told otherwise."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature or signed(body)}
    return await shop.http.post(WEBHOOK_PATH, content=body, headers=headers)


def event(event_type: str, **about: Any) -> dict[str, Any]:
    """An event about an object, as the processor tells it."""
    return {"id": f"evt_{event_type}", "type": event_type, "created": 1_700_000_000, "data": {"object": about}}
