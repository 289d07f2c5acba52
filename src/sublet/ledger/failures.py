"""What the ledger refuses, as named facts; in each case nothing was posted."""

from collections.abc import Callable
from dataclasses import asdict

from sqlalchemy.exc import DBAPIError

from sublet.core.errors import Conflict, IdempotencyKeyReused, SubletError
from sublet.core.money import Money


class InsufficientFunds(SubletError):
    """The wallet cannot bear it."""

    code = "insufficient_funds"
    status = 402
    title = "There is not enough money in the wallet"

    @classmethod
    def for_hold(cls, needed: Money, available: Money) -> "InsufficientFunds":
        """What was to be set aside, and what there is."""
        return cls(
            f"{needed} must be set aside and {available} is available. Nothing was started or charged. "
            "Top up the wallet and try again.",
            extra={"needed": asdict(needed.field()), "available": asdict(available.field())},
        )


class HoldExhausted(Conflict):
    """The hold is closed, or covers less than what was to be taken from it."""

    code = "hold_exhausted"


class NoWallet(Conflict):
    """The organization has no wallet in that currency, so that it can neither pay nor be paid in it."""

    code = "no_wallet"
    title = "There is no wallet for this"


class MonthClosed(Conflict):
    """What was to be posted lies in a month that is closed."""

    code = "month_closed"
    title = "The month is closed"


class MonthNotClosable(Conflict):
    """A month is not over, is closed already, or is not the next one."""

    code = "month_not_closable"
    title = "The month cannot be closed now"


class LedgerRefused(SubletError):
    """The books were asked for something that cannot be posted: a fault on our side."""

    code = "ledger_refused"


_NAMED: dict[str, tuple[Callable[[str], SubletError], str]] = {
    "SL001": (
        IdempotencyKeyReused,
        "The ledger already has an entry for another request under this key ({said}). Nothing was posted. "
        "Use a new key for a new request.",
    ),
    "SL002": (NoWallet, "{said}. Nothing was posted. Name a currency that the organization has a wallet in."),
    "SL003": (HoldExhausted, "{said}. Nothing was charged."),
    "SL004": (LedgerRefused, "The ledger refused: {said}. Nothing was posted."),
    "SL005": (LedgerRefused, "The ledger refused: {said}. Nothing was posted."),
    "SL006": (LedgerRefused, "The ledger refused: {said}. Nothing was posted."),
    "SL007": (
        MonthClosed,
        "{said}, and nothing is posted into it any more. Nothing was posted. Try again: it is posted into the open "
        "month then.",
    ),
    "SL008": (
        MonthNotClosable,
        "{said}. Nothing was closed. Months are closed one after the other, once they are over.",
    ),
}
"""What the ledger's functions raise, by SQLSTATE: see the files in `sql/`."""


def named(error: DBAPIError) -> SubletError | None:
    """The named error behind one that PostgreSQL raised in a ledger function, or None if it is not one of those."""
    origin = error.orig
    sqlstate = getattr(origin, "sqlstate", None)
    diagnosis = getattr(origin, "diag", None)
    if sqlstate == "23514" and getattr(diagnosis, "constraint_name", None) == "balance_floor":
        return InsufficientFunds("The wallet does not hold that much. Nothing was posted. Top up and try again.")
    if sqlstate not in _NAMED:
        return None
    fact, detail = _NAMED[sqlstate]
    said = getattr(diagnosis, "message_primary", None) or str(origin)
    return fact(detail.format(said=said[:1].upper() + said[1:] if detail.startswith("{") else said))
