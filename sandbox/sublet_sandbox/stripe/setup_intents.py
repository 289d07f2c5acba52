"""SetupIntents: from wanting to keep a card to having it kept, through declines and the bank's challenge."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sublet_sandbox.stripe import payment_methods
from sublet_sandbox.stripe.cards import Decline
from sublet_sandbox.stripe.errors import StripeProblem, refused
from sublet_sandbox.stripe.params import CustomerFilter, Metadata, Params, card_only
from sublet_sandbox.stripe.store import Resource, new_id
from sublet_sandbox.stripe.work import Work, public, shaped

AUTHENTICATION_FAILED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


class CreateParams(Params):
    """What a setup intent is made from."""

    customer: str | None = None
    description: str | None = Field(default=None, max_length=1000)
    metadata: Metadata = Field(default_factory=dict)
    payment_method: str | None = None
    allowed_payment_method_types: list[Literal["card"]] = Field(default_factory=card_only)
    usage: Literal["off_session", "on_session"] = "off_session"
    confirm: bool = False
    return_url: str | None = None


class ConfirmParams(Params):
    """What a setup intent is confirmed with."""

    payment_method: str | None = None
    return_url: str | None = None


class CancelParams(Params):
    """Why a setup intent is cancelled."""

    cancellation_reason: Literal["abandoned", "duplicate", "requested_by_customer"] | None = None


class SetupIntentListParams(CustomerFilter):
    """Which setup intents to list."""

    payment_method: str | None = None


def create(work: Work, params: CreateParams) -> Resource:
    """Create, and confirm at once when asked to."""
    if params.customer is not None:
        work.fetch("customer", params.customer, param="customer")
    intent = new_intent(
        work,
        customer=params.customer,
        description=params.description,
        metadata=params.metadata,
        usage=params.usage,
    )
    if params.payment_method is not None:
        method = payment_methods.resolve(work, params.payment_method)
        payment_methods.refuse_for(method, params.customer)
        intent.update(payment_method=method["id"], status="requires_confirmation")
    work.store.save(intent)
    if params.confirm:
        return confirm(work, ConfirmParams(return_url=params.return_url), intent["id"])
    return intent


def new_intent(
    work: Work,
    *,
    customer: str | None,
    description: str | None,
    metadata: dict[str, str],
    usage: str = "off_session",
) -> Resource:
    """Record an intent that waits for a card."""
    intent = shaped(
        work,
        "setup_intent",
        "seti",
        {
            "livemode": False,
            "application": None,
            "automatic_payment_methods": None,
            "cancellation_reason": None,
            "client_secret": None,
            "customer": customer,
            "customer_account": None,
            "description": description,
            "excluded_payment_method_types": None,
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "mandate": None,
            "metadata": metadata,
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": {
                "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
            },
            "payment_method_types": ["card"],
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": usage,
        },
    )
    intent["client_secret"] = new_id(f"{intent['id']}_secret", 25)
    work.store.insert(intent)
    work.emit("setup_intent.created", intent)
    return intent


def confirm(work: Work, params: ConfirmParams, intent: str) -> Resource:
    """Try to keep the card; a decline is answered with 402, and the attempt stays on record."""
    found = work.fetch("setup_intent", intent, param="intent")
    reference = params.payment_method or found["payment_method"]
    if found["status"] not in ("requires_payment_method", "requires_confirmation") or reference is None:
        raise refused(
            f"You cannot confirm this SetupIntent because it has a status of {found['status']}.",
            code="setup_intent_unexpected_state",
            setup_intent=public(found),
        )
    method = payment_methods.resolve(work, reference)
    payment_methods.refuse_for(method, found["customer"])
    attempt(work, found, method, return_url=params.return_url)
    if found["last_setup_error"] is not None:
        fields = {key: value for key, value in found["last_setup_error"].items() if key not in ("type", "doc_url")}
        raise StripeProblem(402, **fields, kind="card_error", setup_intent=public(found))
    return found


def attempt(work: Work, intent: Resource, method: Resource, *, return_url: str | None) -> None:
    """One try with one card: kept, challenged by the bank, or failed with `last_setup_error`."""
    intent.update(payment_method=method["id"], last_setup_error=None)
    if payment_methods.behaviour(method).challenge:
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "redirect_to_url": {"return_url": return_url, "url": f"{work.base_url}/c/challenge/{intent['id']}"},
            "type": "redirect_to_url",
        }
        work.store.save(intent)
        work.emit("setup_intent.requires_action", intent)
        return
    _ask_bank(work, intent, method)


def answer_challenge(work: Work, intent: Resource, *, passed: bool) -> None:
    """The cardholder completed or failed the bank's challenge."""
    method = work.fetch("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if passed:
        _ask_bank(work, intent, method)
        return
    error = {"code": "setup_intent_authentication_failure", "message": AUTHENTICATION_FAILED}
    _fail(work, intent, method, {**error, "type": "invalid_request_error"})


def _ask_bank(work: Work, intent: Resource, method: Resource) -> None:
    card = payment_methods.behaviour(method)
    if card.decline is not None and not card.saves:
        _fail(work, intent, method, {**_declined(card.decline), "type": "card_error"})
        return
    payment_methods.save_for(work, method, intent["customer"])
    intent.update(status="succeeded", next_action=None)
    work.store.save(intent)
    work.emit("setup_intent.succeeded", intent)


def _declined(decline: Decline) -> dict[str, Any]:
    error = {
        "code": decline.code,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "param": decline.param,
    }
    return {name: value for name, value in error.items() if value is not None}


def _fail(work: Work, intent: Resource, method: Resource, error: dict[str, Any]) -> None:
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        last_setup_error={
            **error,
            "doc_url": f"https://stripe.com/docs/error-codes/{error['code'].replace('_', '-')}",
            "payment_method": public(method),
        },
    )
    work.store.save(intent)
    work.emit("setup_intent.setup_failed", intent)


def cancel(work: Work, params: CancelParams, intent: str) -> Resource:
    """Give up; impossible once the card is kept."""
    found = work.fetch("setup_intent", intent, param="intent")
    if found["status"] in ("succeeded", "canceled"):
        raise refused(
            f"You cannot cancel this SetupIntent because it has a status of {found['status']}.",
            code="setup_intent_unexpected_state",
            setup_intent=public(found),
        )
    close(work, found, params.cancellation_reason)
    return found


def close(work: Work, intent: Resource, reason: str | None) -> None:
    """Mark as canceled."""
    intent.update(status="canceled", cancellation_reason=reason, next_action=None)
    work.store.save(intent)
    work.emit("setup_intent.canceled", intent)
