"""The card numbers that Stripe documents for testing, and what a card form checks before any bank is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True)
class Decline:
    """Why a bank says no: the API's code, the bank's reason, and the sentence for the cardholder."""

    code: str
    message: str
    decline_code: str
    param: str | None = None


GENERIC = Decline("card_declined", "Your card was declined.", "generic_decline")
INSUFFICIENT_FUNDS = Decline("card_declined", "Your card has insufficient funds.", "insufficient_funds")
LOST = Decline("card_declined", "Your card was declined.", "lost_card")
STOLEN = Decline("card_declined", "Your card was declined.", "stolen_card")
EXPIRED = Decline("expired_card", "Your card has expired.", "expired_card", "exp_month")
INCORRECT_CVC = Decline("incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc", "cvc")
PROCESSING_ERROR = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
NOT_A_TEST_CARD = Decline(
    "card_declined",
    "Your card was declined. Your request was in test mode, but used a non test card. "
    "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
    "test_mode_live_card",
)


@dataclass(frozen=True)
class SandboxCard:
    """A card and how it behaves. `token` follows `pm_card_`, by which the API names it without a number.

    A card that is declined is so when it is saved too, unless it `saves`. One with a `challenge` asks the bank whenever
    its holder is there, and declines as `authentication_required` when nobody is; `once` it was saved, some no longer.
    """

    token: str
    number: str
    brand: str = "visa"
    funding: str = "credit"
    decline: Decline | None = None
    challenge: bool = False
    once: bool = False
    saves: bool = False
    refunds: Literal["succeed", "wait", "fail"] = "succeed"
    """Whether what goes back to it arrives at once, after a while, or is returned by the bank after a while."""
    disputed: Literal["needs_response", "warning_needs_response"] | None = None
    """The status of the dispute, or of the inquiry, that follows every payment with it."""
    warned: bool = False
    """Whether its issuer warns of every payment with it."""

    @property
    def last4(self) -> str:
        """The last four digits of the number, which are all that is ever shown of it."""
        return self.number[-4:]


CARDS = (
    SandboxCard("visa", "4242424242424242"),
    SandboxCard("visa_debit", "4000056655665556", funding="debit"),
    SandboxCard("mastercard", "5555555555554444", "mastercard"),
    SandboxCard("mastercard_debit", "5200828282828210", "mastercard", "debit"),
    SandboxCard("amex", "378282246310005", "amex"),
    SandboxCard("discover", "6011111111111117", "discover"),
    SandboxCard("diners", "3056930009020004", "diners"),
    SandboxCard("jcb", "3566002020360505", "jcb"),
    SandboxCard("unionpay", "6200000000000005", "unionpay"),
    SandboxCard("chargeDeclined", "4000000000000002", decline=GENERIC),
    SandboxCard("chargeCustomerFail", "4000000000000341", decline=GENERIC, saves=True),
    SandboxCard("chargeDeclinedInsufficientFunds", "4000000000009995", decline=INSUFFICIENT_FUNDS),
    SandboxCard("chargeDeclinedLostCard", "4000000000009987", decline=LOST),
    SandboxCard("chargeDeclinedStolenCard", "4000000000009979", decline=STOLEN),
    SandboxCard("chargeDeclinedExpiredCard", "4000000000000069", decline=EXPIRED),
    SandboxCard("chargeDeclinedIncorrectCvc", "4000000000000127", decline=INCORRECT_CVC),
    SandboxCard("chargeDeclinedProcessingError", "4000000000000119", decline=PROCESSING_ERROR),
    SandboxCard("threeDSecure2Required", "4000000000003220", challenge=True),
    SandboxCard("authenticationRequiredOnSetup", "4000002500003155", challenge=True, once=True),
    SandboxCard("authenticationRequired", "4000002760003184", challenge=True),
    SandboxCard(
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        decline=INSUFFICIENT_FUNDS,
        challenge=True,
    ),
    SandboxCard("threeDSecureRequiredChargeDeclined", "4000008400001629", decline=GENERIC, challenge=True),
    SandboxCard("pendingRefund", "4000000000007726", refunds="wait"),
    SandboxCard("refundFail", "4000000000005126", refunds="fail"),
    SandboxCard("createDispute", "4000000000000259", disputed="needs_response"),
    SandboxCard("createIssuerFraudRecord", "4000000000005423", warned=True),
    SandboxCard("createDisputeInquiry", "4000000000001976", disputed="warning_needs_response"),
)
BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {card.token: card for card in CARDS}


@dataclass(frozen=True)
class CardEntry:
    """What was typed into a card form."""

    number: str
    expiry: str
    cvc: str
    name: str


@dataclass(frozen=True)
class ValidCard:
    """A card form without faults. The number itself goes no further than this."""

    card: SandboxCard | None
    exp_month: int
    exp_year: int
    name: str | None


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the rest."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def check(entry: CardEntry, today: date) -> ValidCard | dict[str, str]:
    """The card, or the faults by field: number, expiry, cvc. Nobody has to give a name."""
    faults: dict[str, str] = {}
    number = "".join(entry.number.split()).replace("-", "")
    if fault := _number_fault(number):
        faults["number"] = fault
    month, year = _month_and_year(entry.expiry)
    if fault := _expiry_fault(entry.expiry, month, year, today):
        faults["expiry"] = fault
    if fault := _cvc_fault(entry.cvc.strip(), amex=number.startswith(("34", "37"))):
        faults["cvc"] = fault
    if faults:
        return faults
    return ValidCard(BY_NUMBER.get(number), month, year, entry.name.strip()[:200] or None)


def _number_fault(number: str) -> str | None:
    if not number:
        return "Required"
    if not (number.isascii() and number.isdigit()) or len(number) > 19:
        return "Your card number is invalid."
    if len(number) < (15 if number.startswith(("34", "37")) else 14 if number.startswith("3") else 16):
        return "Your card number is incomplete."
    return None if passes_luhn(number) else "Your card number is invalid."


def _month_and_year(expiry: str) -> tuple[int, int]:
    """(0, 0) when it is not of the form MM / YY; a four-digit year is taken as well."""
    digits = "".join(expiry.split()).replace("/", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (4, 6):
        return 0, 0
    year = int(digits[2:])
    return int(digits[:2]), year if len(digits) == 6 else 2000 + year


def _expiry_fault(expiry: str, month: int, year: int, today: date) -> str | None:
    if not expiry.strip():
        return "Required"
    if (month, year) == (0, 0):
        return "Your card's expiration date is incomplete."
    if not 1 <= month <= 12:
        return "Your card's expiration date is invalid."
    if year < today.year:
        return "Your card's expiration year is in the past."
    if (year, month) < (today.year, today.month):
        return "Your card's expiration date is in the past."
    return "Your card's expiration year is invalid." if year > today.year + 50 else None


def _cvc_fault(cvc: str, *, amex: bool) -> str | None:
    if not cvc:
        return "Required"
    if not (cvc.isascii() and cvc.isdigit()):
        return "Your card's security code is invalid."
    return "Your card's security code is incomplete." if len(cvc) != (4 if amex else 3) else None
