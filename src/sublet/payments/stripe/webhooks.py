"""Signed webhooks: proved genuine and recent over the raw body, stored, answered. The work is done afterwards."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.errors import SubletError
from sublet.payments.stripe.inbox import Notice, keep
from sublet.payments.stripe.processor import Processor, WebhookRefused
from sublet.payments.stripe.saved_cards import SETUP_KEY
from sublet.payments.stripe.transactions import INSTALLATION_KEY, TOP_UP_KEY

LARGEST_BODY_BYTES = 1_048_576
SIGNATURE_LIFETIME_SECONDS = 300


class WebhookTooOld(WebhookRefused):
    """The signature is right, but was made too long ago (or in the future)."""

    code = "webhook_too_old"
    title = "The webhook was signed too long ago"


class WebhookMalformed(SubletError):
    """The signature holds, but the body is not an event."""

    code = "webhook_malformed"
    status = 400
    title = "The webhook is not an event"


class WebhookTooLarge(WebhookMalformed):
    """No event is this large."""

    code = "webhook_too_large"
    status = 413


async def read_body(chunks: AsyncIterator[bytes]) -> bytes:
    """The raw body, no more of it than any event has; WebhookTooLarge."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            raise WebhookTooLarge("Webhooks end at 1 MiB. The event was not taken.")
    return bytes(body)


async def receive(session: Session, processor: Processor, body: bytes, signature: str | None) -> bool:
    """Take an event in; False if it was here already. Raises WebhookRefused before anything of the body is believed."""
    signed_at = processor.verify_webhook(body, signature)
    now = await database_now(session)
    if abs(now.timestamp() - signed_at) > SIGNATURE_LIFETIME_SECONDS:
        raise WebhookTooOld(
            "The signature is more than 5 minutes away from PostgreSQL's clock. The event was not taken; it will be "
            "sent again. If this persists, set the clock of PostgreSQL's machine."
        )
    return await keep(session, read_notice(body))


def read_notice(body: bytes) -> Notice:
    """What the event says it is about; WebhookMalformed if it is no event."""
    try:
        event: dict[str, Any] = json.loads(body)
        about = event["data"]["object"]
        metadata = about.get("metadata") or {}
        return Notice(
            id=_name(event["id"]),
            type=_name(event["type"]),
            created_at=datetime.fromtimestamp(int(event["created"]), tz=UTC),
            object_type=_name(about["object"]) if "object" in about else None,
            object_id=_name(about["id"]) if "id" in about else None,
            charge_id=_reference(about, "charge"),
            payment_intent_id=_reference(about, "payment_intent"),
            top_up_id=_name(metadata[TOP_UP_KEY]) if TOP_UP_KEY in metadata else None,
            card_setup_id=_name(metadata[SETUP_KEY]) if SETUP_KEY in metadata else None,
            installation_id=_name(metadata[INSTALLATION_KEY]) if INSTALLATION_KEY in metadata else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise WebhookMalformed(
            "The body is signed, but it is not an event as we know them. It was not taken."
        ) from error


def _reference(about: dict[str, Any], kind: str) -> str | None:
    """The id of the object itself if it is of a kind, or of the one of that kind that it belongs to."""
    if about.get("object") == kind:
        return _name(about["id"])
    named = about.get(kind)
    return _name(named) if isinstance(named, str) else None


def _name(value: object) -> str:
    """An identifier: short text that PostgreSQL can store."""
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
        raise ValueError("not an identifier")
    return value
