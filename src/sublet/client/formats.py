"""How amounts and durations read, on the command line and in what people are told by mail.

Shown money is cut toward zero, never rounded, as in the console: nobody reads of a cent that is not there.
"""

from decimal import ROUND_DOWN, Decimal

from sublet.client.shapes.amounts import Money

NOTHING = "–"
_CENT = Decimal("0.01")


def money(value: Money, *, exact: bool = False) -> str:
    """`12.34 USD`: two places, `<0.01 USD` for less than a cent, or with `exact` all that the books have."""
    shown = value["amount"] if exact else _cents(Decimal(value["amount"]))
    return f"{shown} {value['currency']}"


def _cents(amount: Decimal) -> str:
    if 0 < abs(amount) < _CENT:
        return f"<{_CENT}" if amount > 0 else f">-{_CENT}"
    return f"{abs(amount) if amount == 0 else amount.quantize(_CENT, ROUND_DOWN):.2f}"


def duration(seconds: float | None) -> str:
    """`45 s`, `12 min 05 s`, `1 h 05 min`, `3 d 04 h`."""
    if seconds is None:
        return NOTHING
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest:02d} s"
    days, hours = divmod(hours, 24)
    if days == 0:
        return f"{hours} h {minutes:02d} min"
    return f"{days} d {hours:02d} h"
