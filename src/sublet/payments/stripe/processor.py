"""The card processor, through its real SDK; nothing else touches it. Base address and key decide who answers."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

import stripe
from stripe import RequestOptions
from stripe.params import (
    DisputeListParams,
    DisputeUpdateParams,
    DisputeUpdateParamsEvidence,
    PaymentIntentRetrieveParams,
    RefundCreateParams,
    RefundListParams,
)
from stripe.params.checkout import SessionCreateParams

from sublet.core.actions import Refusal
from sublet.core.currencies import micro_per_unit
from sublet.core.db import forbid_open_session
from sublet.core.errors import SubletError, Unavailable
from sublet.core.money import Money
from sublet.core.settings import Settings
from sublet.payments.stripe.connection import Connection
from sublet.payments.stripe.errors import ProcessorUnavailable, as_ours
from sublet.payments.stripe.reversals import (
    ANSWER_KEY,
    AnswerOrder,
    DisputeSeen,
    RefundOrder,
    RefundSeen,
    dispute_of,
    money,
    refund_of,
)
from sublet.payments.stripe.test_keys import refuse_test_key
from sublet.payments.stripe.transactions import INSTALLATION_KEY, TOP_UP_KEY, BalanceTransaction, transaction_of

RETRIES = 2
LONGEST_CALL_SECONDS = 40.0
"""What one call can take at worst, retries included: leases around a call last longer."""

_EXPAND_CHARGE = ("latest_charge.balance_transaction", "latest_charge.refunds")
_EXPAND = [f"payment_intent.{path}" for path in _EXPAND_CHARGE]

T = TypeVar("T")
L = TypeVar("L", bound=stripe.StripeObject)

stripe.enable_telemetry = False  # no report about our earlier requests rides along with the next


class PaymentsNotConfigured(Unavailable):
    """No key for the card processor was given."""

    code = "payments_not_configured"
    title = "Card payments are not set up"


_NOT_SET_UP = Refusal(
    PaymentsNotConfigured,
    "This installation takes no card payments: no key for the card processor is set.",
    "The operator sets SUBLET_STRIPE_API_KEY to file:/path/of/the/key.",
    outcome="Nothing was charged.",
)


class WebhookRefused(SubletError):
    """The signature does not belong to this body and secret."""

    code = "webhook_signature_invalid"
    status = 400
    title = "The webhook's signature is not valid"


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """What a checkout is made from. It depends on the stored top-up alone, so that a repeated call is the same call."""

    top_up_id: str
    installation_id: str | None
    """Whom the page names; None for a top-up from before installations had ids, whose page is always made without."""
    amount: Money
    customer_email: str | None
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """A page at the processor's where the customer pays."""

    session_id: str
    url: str | None


@dataclass(frozen=True, slots=True)
class CheckoutSeen:
    """How a checkout stands at the processor's now."""

    session_status: str | None
    intent_status: str | None
    intent_id: str | None
    charge_id: str | None
    received: Money | None
    failure: tuple[str, str] | None
    transaction: BalanceTransaction | None
    refunds: tuple[RefundSeen, ...] = ()
    disputes: tuple[DisputeSeen, ...] = ()

    @property
    def paid(self) -> bool:
        """Whether the money has been taken from the card."""
        return self.intent_status == "succeeded"


@dataclass(frozen=True, slots=True)
class PageRefused:
    """The processor will never say how a checkout stands: because it does not know it, or for a reason of its own."""

    said: str
    unknown: bool


class Processor:
    """A client with its own connections, timeouts and retries; safe to share within one event loop."""

    def __init__(self, *, api_base: str, api_key: str | None, webhook_secret: str | None) -> None:
        self._webhook_secret = webhook_secret
        self._http = Connection()
        self._client = (
            stripe.StripeClient(
                api_key,
                base_addresses={"api": api_base},
                max_network_retries=RETRIES,
                http_client=self._http,
            )
            if api_key
            else None
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> "Processor":
        """The processor that the settings name; without a key every call raises PaymentsNotConfigured.

        NotConfigured for a test key behind an address that strangers can reach.
        """
        key, secret = settings.stripe_api_key, settings.stripe_webhook_secret
        api_key = key.read() if key else None
        refuse_test_key(api_key, public_url=settings.public_url, allowed=settings.test_payments)
        return cls(
            api_base=settings.stripe_api_base,
            api_key=api_key,
            webhook_secret=secret.read() if secret else None,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()

    def require(self) -> stripe.StripeClient:
        """The SDK's client, for a call without a session open; PaymentsNotConfigured if there is none."""
        forbid_open_session("stripe")
        if self._client is None:
            raise _NOT_SET_UP.problem
        return self._client

    def why_not_pay(self) -> Refusal | None:
        """Why nobody can pay by card here; None if they can."""
        return _NOT_SET_UP if self._client is None else None

    async def create_checkout(self, order: CheckoutOrder) -> Checkout:
        """Open a payment page; for one top-up always the same page, however often this is called within a day."""
        metadata = {TOP_UP_KEY: order.top_up_id}
        if order.installation_id is not None:
            metadata[INSTALLATION_KEY] = order.installation_id
        params: SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": order.top_up_id,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.amount.currency.lower(),
                        "unit_amount": units_of(order.amount),
                        "product_data": {"name": "Sublet balance"},
                    },
                }
            ],
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "metadata": metadata,
            "payment_intent_data": {"description": f"Top-up {order.top_up_id}", "metadata": metadata},
            "allowed_payment_method_types": ["card"],
            "submit_type": "pay",
        }
        if order.installation_id is not None:
            # The wallet keeps one currency, so the page offers no other. (Pages from before were asked for without.)
            params["adaptive_pricing"] = {"enabled": False}
        if order.customer_email is not None:
            params["customer_email"] = order.customer_email
        options: RequestOptions = {"idempotency_key": f"top-up:{order.top_up_id}"}
        session = await call(self.require().v1.checkout.sessions.create_async(params, options))
        return Checkout(session.id, session.url)

    async def fetch_checkout(self, session_id: str) -> CheckoutSeen:
        """Ask how a payment page stands, down to the fee."""
        session = await call(self.require().v1.checkout.sessions.retrieve_async(session_id, {"expand": _EXPAND}))
        return await self._seen(session.status, cast("stripe.PaymentIntent | None", session.payment_intent))

    async def fetch_intent(self, intent_id: str) -> CheckoutSeen:
        """Ask how a payment stands that was made without a page, down to the fee."""
        expand: PaymentIntentRetrieveParams = {"expand": [*_EXPAND_CHARGE]}
        return await self._seen(None, await call(self.require().v1.payment_intents.retrieve_async(intent_id, expand)))

    async def _seen(self, session_status: str | None, intent: stripe.PaymentIntent | None) -> CheckoutSeen:
        charge = charge_of(intent)
        return seen_of(session_status, intent, await self._refunds(charge), await self._disputes(charge))

    async def _refunds(self, charge: stripe.Charge | None) -> list[stripe.Refund]:
        """Every refund of a charge, failed ones too, oldest first; the charge itself tells of the newest ten."""
        if charge is None or charge.refunds is None or not charge.refunds.data:
            return []
        return await self._refunds_of(charge.id)

    async def _refunds_of(self, charge_id: str) -> list[stripe.Refund]:
        params: RefundListParams = {"charge": charge_id, "limit": 100}
        return (await all_of(await call(self.require().v1.refunds.list_async(params))))[::-1]

    async def _disputes(self, charge: stripe.Charge | None) -> list[stripe.Dispute]:
        """Every dispute of a charge, oldest first; ProcessorUnavailable while there is one that is not listed."""
        if charge is None or not charge.disputed:
            return []
        params: DisputeListParams = {"charge": charge.id, "limit": 100}
        found = await all_of(await call(self.require().v1.disputes.list_async(params)))
        if not found:
            raise ProcessorUnavailable(
                "The card processor says that the payment is disputed, and does not list the dispute yet. Nothing was "
                "changed; it is asked again."
            )
        return found[::-1]

    async def send_refund(self, order: RefundOrder) -> RefundSeen:
        """Have a refund made, or find the one that was: for one of ours always the same, however often this is called.

        It is looked for first: the processor forgets an idempotency key after a day, and its refunds never. One that
        it is known to have is only looked at: those of its own pages do not name ours.
        """
        if order.processor_id is not None:
            return refund_of(await call(self.require().v1.refunds.retrieve_async(order.processor_id)))
        for one in await self._refunds_of(order.charge_id):
            if (found := refund_of(one)).refund_id == order.refund_id:
                return found
        params: RefundCreateParams = {
            "charge": order.charge_id,
            "amount": units_of(order.amount),
            "reason": "requested_by_customer",
            "metadata": order.metadata,
        }
        options: RequestOptions = {"idempotency_key": f"refund:{order.refund_id}"}
        return refund_of(await call(self.require().v1.refunds.create_async(params, options)))

    async def send_answer(self, order: AnswerOrder) -> None:
        """Send the evidence of a dispute to the bank, or find that it was: once, however often this is called.

        It is looked for first: the processor forgets an idempotency key after a day, and what a dispute names never.
        """
        disputes = self.require().v1.disputes
        found = await call(disputes.retrieve_async(order.dispute_id))
        if found.metadata.to_dict().get(ANSWER_KEY) == order.answer_id:
            return
        params: DisputeUpdateParams = {
            "evidence": cast("DisputeUpdateParamsEvidence", order.evidence),
            "metadata": {ANSWER_KEY: order.answer_id},
            "submit": True,
        }
        options: RequestOptions = {"idempotency_key": f"answer:{order.answer_id}"}
        await call(disputes.update_async(order.dispute_id, params, options))

    async def charges_taken_back(self, *, since: datetime) -> list[str]:
        """The charges that were refunded, in part or whole, or disputed since then; all of them, page by page."""
        refunded: RefundListParams = {"created": {"gte": int(since.timestamp())}, "limit": 100}
        disputed: DisputeListParams = {"created": {"gte": int(since.timestamp())}, "limit": 100}
        client = self.require()
        refunds = await call(client.v1.refunds.list_async(refunded))
        disputes = await call(client.v1.disputes.list_async(disputed))
        named = [one.charge for one in await all_of(refunds)] + [one.charge for one in await all_of(disputes)]
        return [charge if isinstance(charge, str) else charge.id for charge in named if charge is not None]

    def verify_webhook(self, body: bytes, signature: str | None) -> int:
        """Check a webhook's signature over its raw body; returns when it was made, in seconds since 1970.

        WebhookRefused if the signature does not fit; how old it may be is for the caller to say.
        """
        refusal = "The event was not taken. Check that the signing secret here is the one of this endpoint."
        if not self._webhook_secret:
            raise WebhookRefused(f"No signing secret is set, so no webhook can be trusted. {refusal}")
        if signature is not None and not signature.isascii():
            raise WebhookRefused(f"The Stripe-Signature header is not one of theirs. {refusal}")
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._webhook_secret)
        except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
            raise WebhookRefused(f"The Stripe-Signature header does not fit this body. {refusal}") from error
        assert signature is not None  # or the check above had failed
        return next(int(item.split("=")[1]) for item in signature.split(",") if item.startswith("t="))


async def call(answer: Awaitable[T]) -> T:
    """Await one call for as long as one may take, with its errors as ours."""
    try:
        # The connection's time-outs are for each read of an answer, which may come a byte at a time.
        async with asyncio.timeout(LONGEST_CALL_SECONDS):
            return await answer
    except (stripe.StripeError, TimeoutError) as error:
        raise as_ours(error) from error


async def all_of(page: stripe.ListObject[L]) -> list[L]:
    """What a list holds, from this page to its last, each of which is a call of its own."""
    found = [*page.data]
    while page.has_more:
        page = await call(page.next_page_async())
        found += page.data
    return found


def units_of(amount: Money) -> int:
    """The amount as the processor counts it, in cents of a dollar or whole yen; ValueError if it is no whole number."""
    units, rest = divmod(amount.micro, micro_per_unit(amount.currency))
    if rest:
        raise ValueError(f"{amount} is not a whole number of what the card processor counts in")
    return units


def charge_of(intent: stripe.PaymentIntent | None) -> stripe.Charge | None:
    """The charge of a payment that was fetched with it."""
    # Expanded above, so it is the object itself or null; the SDK's types cannot know.
    return cast("stripe.Charge | None", intent.latest_charge if intent else None)


def seen_of(
    session_status: str | None,
    intent: stripe.PaymentIntent | None,
    refunds: Sequence[stripe.Refund],
    disputes: Sequence[stripe.Dispute],
) -> CheckoutSeen:
    """A payment as we look at it; `session_status` is that of its page, None where it has none."""
    charge = charge_of(intent)
    transaction = cast("stripe.BalanceTransaction | None", charge.balance_transaction if charge else None)
    error = intent.last_payment_error if intent else None
    return CheckoutSeen(
        session_status=session_status,
        intent_status=intent.status if intent else None,
        intent_id=intent.id if intent else None,
        charge_id=charge.id if charge else None,
        received=money(intent.amount_received, intent.currency) if intent else None,
        failure=(_text(error, "code", "payment_failed"), _text(error, "message", "The payment failed."))
        if error
        else None,
        transaction=transaction_of(transaction, charge) if transaction else None,
        refunds=tuple(refund_of(one) for one in refunds),
        disputes=tuple(dispute_of(one) for one in disputes),
    )


def _text(error: Any, field: str, otherwise: str) -> str:
    """A field that the processor may leave out."""
    return str(getattr(error, field, None) or otherwise)
