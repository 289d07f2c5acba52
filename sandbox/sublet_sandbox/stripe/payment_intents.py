"""PaymentIntents: from wanting money to having it, through declines and the bank's challenge."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from sublet_sandbox.stripe import charges, disputes, early_fraud_warnings, payment_methods
from sublet_sandbox.stripe.cards import AUTHENTICATION_REQUIRED, Decline
from sublet_sandbox.stripe.errors import StripeProblem, refused
from sublet_sandbox.stripe.params import MAXIMUM_CENTS, MINIMUM_CENTS, Currency, Inner, Metadata, Params, card_only
from sublet_sandbox.stripe.store import Resource, new_id
from sublet_sandbox.stripe.work import Work, public, shaped

CancellationReason = Literal["abandoned", "duplicate", "fraudulent", "requested_by_customer"]
AUTHENTICATION_FAILED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


class AutomaticPaymentMethods(Inner):
    """Whether the account's own payment methods are offered."""

    enabled: bool
    allow_redirects: Literal["always", "never"] | None = None


class CreateParams(Params):
    """What a payment intent is made from."""

    amount: int
    currency: Currency
    customer: str | None = None
    description: str | None = None
    metadata: Metadata = Field(default_factory=dict)
    payment_method: str | None = None
    allowed_payment_method_types: list[Literal["card"]] = Field(default_factory=card_only)
    automatic_payment_methods: AutomaticPaymentMethods | None = None
    confirm: bool = False
    off_session: bool = False
    return_url: str | None = None


class ConfirmParams(Params):
    """What a payment intent is confirmed with. `off_session`: its customer is not there to answer the bank."""

    payment_method: str | None = None
    off_session: bool = False
    return_url: str | None = None


class CancelParams(Params):
    """Why a payment intent is cancelled."""

    cancellation_reason: CancellationReason | None = None


def check_amount(amount: int, param: str = "amount") -> None:
    """Refuse what Stripe would refuse as too small or too large."""
    if amount < MINIMUM_CENTS:
        raise refused("Amount must be at least $0.50 usd", code="amount_too_small", param=param)
    if amount > MAXIMUM_CENTS:
        raise refused("Amount must be no more than $999,999.99", code="amount_too_large", param=param)


def create(work: Work, params: CreateParams) -> Resource:
    """Create, and confirm at once when asked to."""
    check_amount(params.amount)
    if params.off_session and not params.confirm:
        raise refused("The parameter `off_session` can only be used with `confirm` set to true.", param="off_session")
    if params.customer is not None:
        work.fetch("customer", params.customer, param="customer")
    intent = new_intent(
        work,
        amount=params.amount,
        currency=params.currency,
        customer=params.customer,
        description=params.description,
        metadata=params.metadata,
    )
    if params.automatic_payment_methods is not None:
        intent["automatic_payment_methods"] = params.automatic_payment_methods.model_dump(exclude_none=True)
    if params.payment_method is not None:
        method = payment_methods.resolve(work, params.payment_method)
        payment_methods.refuse_for(method, params.customer)
        intent["payment_method"] = method["id"]
        intent["status"] = "requires_confirmation"
    work.store.save(intent)
    if params.confirm:
        given = ConfirmParams(return_url=params.return_url, off_session=params.off_session)
        return confirm(work, given, intent["id"])
    return intent


def new_intent(
    work: Work,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    description: str | None,
    metadata: dict[str, str],
) -> Resource:
    """Record an intent that waits for a payment method."""
    intent = shaped(
        work,
        "payment_intent",
        "pi",
        {
            "livemode": False,
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": None,
            "confirmation_method": "automatic",
            "currency": currency,
            "customer": customer,
            "customer_account": None,
            "description": description,
            "excluded_payment_method_types": None,
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": metadata,
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        },
    )
    intent["client_secret"] = new_id(f"{intent['id']}_secret", 25)
    work.store.insert(intent)
    work.emit("payment_intent.created", intent)
    return intent


def confirm(work: Work, params: ConfirmParams, intent: str) -> Resource:
    """Try to take the money; a decline is answered with 402, and the attempt stays on record."""
    found = work.fetch("payment_intent", intent, param="intent")
    if found["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise refused(
            f"You cannot confirm this PaymentIntent because it has a status of {found['status']}.",
            code="payment_intent_unexpected_state",
            payment_intent=public(found),
        )
    reference = params.payment_method or found["payment_method"]
    if reference is None:
        raise refused(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            payment_intent=public(found),
        )
    method = payment_methods.resolve(work, reference)
    payment_methods.refuse_for(method, found["customer"])
    attempt(work, found, method, return_url=params.return_url, off_session=params.off_session)
    if found["last_payment_error"] is not None:
        fields = {key: value for key, value in found["last_payment_error"].items() if key not in ("type", "doc_url")}
        raise StripeProblem(402, **fields, kind="card_error", payment_intent=public(found))
    return found


def attempt(
    work: Work, intent: Resource, method: Resource, *, return_url: str | None, off_session: bool = False
) -> None:
    """One try with one card: succeeded, challenged by the bank, or failed with `last_payment_error`."""
    intent["payment_method"] = method["id"]
    intent["last_payment_error"] = None
    card = payment_methods.behaviour(method)
    if off_session:
        asks = card.challenge and not (card.once and method.get("_saved"))
        _charge(work, intent, method, AUTHENTICATION_REQUIRED if asks else card.decline, authenticated=False)
        return
    if card.challenge:
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "redirect_to_url": {"return_url": return_url, "url": f"{work.base_url}/c/challenge/{intent['id']}"},
            "type": "redirect_to_url",
        }
        work.store.save(intent)
        work.emit("payment_intent.requires_action", intent)
        return
    _charge(work, intent, method, card.decline, authenticated=False)


def answer_challenge(work: Work, intent: Resource, *, passed: bool) -> None:
    """The cardholder completed or failed the bank's challenge."""
    method = work.fetch("payment_method", intent["payment_method"])
    intent["next_action"] = None
    if passed:
        _charge(work, intent, method, payment_methods.behaviour(method).decline, authenticated=True)
        return
    error = {"code": "payment_intent_authentication_failure", "message": AUTHENTICATION_FAILED}
    _fail(work, intent, method, error)


def _charge(work: Work, intent: Resource, method: Resource, decline: Decline | None, *, authenticated: bool) -> None:
    charge = charges.create(work, intent, method, decline, authenticated=authenticated)
    intent["latest_charge"] = charge["id"]
    if decline is not None:
        _fail(work, intent, method, _declined(charge, decline))
        return
    intent.update(status="succeeded", amount_received=intent["amount"], next_action=None)
    work.store.save(intent)
    work.emit("payment_intent.succeeded", intent)
    if payment_methods.behaviour(method).warned:
        early_fraud_warnings.create(work, charge["id"])
    if (status := payment_methods.behaviour(method).disputed) is not None:
        disputes.create(work, charge["id"], None, status, reason="fraudulent")


def _declined(charge: Resource, decline: Decline) -> dict[str, Any]:
    error = {
        "charge": charge["id"],
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
        last_payment_error={
            **error,
            "doc_url": f"https://stripe.com/docs/error-codes/{error['code'].replace('_', '-')}",
            "payment_method": public(method),
            "type": "card_error" if "charge" in error else "invalid_request_error",
        },
    )
    work.store.save(intent)
    work.emit("payment_intent.payment_failed", intent)


def cancel(work: Work, params: CancelParams, intent: str) -> Resource:
    """Give up; impossible once the money is there."""
    found = work.fetch("payment_intent", intent, param="intent")
    if found["status"] in ("succeeded", "canceled"):
        raise refused(
            f"You cannot cancel this PaymentIntent because it has a status of {found['status']}.",
            code="payment_intent_unexpected_state",
            payment_intent=public(found),
        )
    close(work, found, params.cancellation_reason)
    return found


def close(work: Work, intent: Resource, reason: str | None) -> None:
    """Mark as canceled."""
    intent.update(status="canceled", canceled_at=work.now(), cancellation_reason=reason, next_action=None)
    work.store.save(intent)
    work.emit("payment_intent.canceled", intent)
