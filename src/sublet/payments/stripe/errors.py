"""What goes wrong at the card processor, by kind. Only what is transient is ever tried again by itself."""

from http import HTTPStatus

import stripe

from sublet.core.errors import RemoteFailure, SubletError, Unavailable

ASKS_THE_CARD_HOLDER = "authentication_required"


class ProcessorUnavailable(Unavailable):
    """Transient: the card processor does not answer, or not sensibly; the same call will be made again."""

    code = "processor_unavailable"
    title = "The card processor does not answer"


class ProcessorMisconfigured(Unavailable):
    """The card processor does not accept our key, or not for this; `said` is for operators alone."""

    code = "processor_misconfigured"
    title = "Card payments do not work here at present"

    def __init__(self, said: str) -> None:
        super().__init__(
            "The card processor does not accept this installation's key. Nothing was charged, and another card does "
            "not help. The operator was told; try again later."
        )
        self.said = said


class ProcessorRefused(RemoteFailure):
    """The card processor understood the request and will never do it."""

    code = "processor_refused"
    title = "The card processor refused the payment"


class ProcessorUnknown(ProcessorRefused):
    """The card processor does not know what it was asked about, with the key that it was asked with."""

    code = "processor_unknown"
    title = "The card processor does not know it"


class ProcessorKeyMismatch(ProcessorRefused):
    """Our idempotency key came before, with another request: a fault on our side, which no repetition mends."""

    code = "processor_key_mismatch"
    title = "The card processor was asked for something else before"


class PaymentDeclined(ProcessorRefused):
    """The bank declined the card. `extra` has the `decline_code`, and the `payment_intent_id` if there is one."""

    code = "payment_declined"
    status = 402
    title = "The card was declined"


class PaymentNeedsAction(ProcessorRefused):
    """The bank wants the card holder to confirm the payment. `extra` has its `payment_intent_id`."""

    code = "payment_needs_action"
    status = 402
    title = "The bank wants you to confirm the payment"


def as_ours(error: stripe.StripeError | TimeoutError) -> SubletError:
    """The error of a call as one of ours, by its kind."""
    if isinstance(error, stripe.CardError):
        return _of_the_card(error)
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return ProcessorMisconfigured(str(error.user_message))
    if isinstance(error, stripe.IdempotencyError):
        return ProcessorKeyMismatch(
            "The card processor was asked for something else under the same key before. This request charged nothing. "
            "Tell us the request id: repeating it does not help."
        )
    if isinstance(error, stripe.InvalidRequestError):
        return (ProcessorUnknown if error.http_status == HTTPStatus.NOT_FOUND else ProcessorRefused)(
            f"The card processor refused: {error.user_message} Nothing was charged. Try another amount, or tell us the "
            "request id if it happens again."
        )
    return ProcessorUnavailable(
        "The card processor could not be reached or answered with an error. Nothing was charged. Try again in a "
        "minute; the same Idempotency-Key never pays twice."
    )


def _of_the_card(error: stripe.CardError) -> SubletError:
    told = error.error
    intent = getattr(told, "payment_intent", None)
    about = {"payment_intent_id": getattr(intent, "id", None)}
    if error.code == ASKS_THE_CARD_HOLDER:
        return PaymentNeedsAction(
            "The bank wants the card holder to confirm this payment. Nothing was charged. Pay on the payment page, "
            "where the bank can ask.",
            extra=about,
        )
    return PaymentDeclined(
        f"The card was declined: {error.user_message} Nothing was charged. Pay with another card, or ask the bank that "
        "issued this one.",
        extra={**about, "decline_code": getattr(told, "decline_code", None) or error.code},
    )
