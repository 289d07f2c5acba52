"""Whether to charge now, how much, and why not: pure functions of what is known."""

from dataclasses import dataclass
from enum import StrEnum

from sublet.core.money import Money

MOST_DECLINES = 3
HOUR_SECONDS = 3600.0


class Standing(StrEnum):
    """How auto top-up stands: why nothing is charged now, or that it is."""

    OFF = "off"
    ENOUGH = "enough"
    UNDER_WAY = "under_way"
    STOPPED = "stopped"
    NO_CARD = "no_card"
    TAKEN_BACK = "taken_back"
    """Money was taken back at the processor, and an operator has not settled it: no card is charged on top."""
    WAITING = "waiting"
    CAP_REACHED = "cap_reached"
    CHARGES = "charges"


@dataclass(frozen=True, slots=True)
class Known:
    """What a decision rests on. `funds` are what can be spent in all, without what is used and not yet charged.

    `seconds_until_next_month` is None where the books have no calendar: no month ends, and the cap is never free again.
    """

    enabled: bool
    funds: Money
    threshold: Money
    amount: Money
    monthly_cap: Money
    charged_this_month: Money
    largest: Money
    declines: int
    under_way: bool
    has_card: bool
    taken_back: bool
    seconds_since_last: float | None
    seconds_until_next_month: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """How it stands, what is charged now, and after how many seconds to decide again if nothing happens before."""

    standing: Standing
    charge: Money | None = None
    again_seconds: float | None = None


def decide(known: Known) -> Decision:
    """What to do now."""
    why = _why_nothing(known)
    if why is not None:
        return Decision(why)
    if known.seconds_since_last is not None and known.seconds_since_last < HOUR_SECONDS:
        return Decision(Standing.WAITING, again_seconds=HOUR_SECONDS - known.seconds_since_last)
    left = known.monthly_cap - known.charged_this_month
    charge = closing(known.threshold - known.funds, known.amount, most=min(left, known.largest))
    if charge is None:
        return Decision(Standing.CAP_REACHED, again_seconds=known.seconds_until_next_month)
    return Decision(Standing.CHARGES, charge=charge)


def _why_nothing(known: Known) -> Standing | None:
    if not known.enabled:
        return Standing.OFF
    for holds, standing in (
        (known.under_way, Standing.UNDER_WAY),
        (known.declines >= MOST_DECLINES, Standing.STOPPED),
        (not known.has_card, Standing.NO_CARD),
        (known.taken_back, Standing.TAKEN_BACK),
        (known.funds >= known.threshold, Standing.ENOUGH),
    ):
        if holds:
            return standing
    return None


def closing(gap: Money, amount: Money, *, most: Money) -> Money | None:
    """The one charge that closes a gap: the fewest whole amounts that do, or as many as `most` allows; None if none."""
    wanted = -(-gap.micro // amount.micro)
    times = min(wanted, most.micro // amount.micro)
    return Money(amount.micro * times, amount.currency) if times > 0 else None
