"""How amounts, times and sizes read. Decimals stay decimals; nothing here is fed back into a calculation.

Shown money is cut toward zero, never rounded, as in the console: nobody reads of a cent that is not there.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal

from sublet.client.formats import NOTHING, duration, money
from sublet.client.shapes import Money, Rate

__all__ = ["NOTHING", "duration", "money"]  # the same in what people are told by mail


def named_amounts(values: Mapping[str, Money]) -> str:
    """`held 1.00 USD, open holds 2.500001 USD`: exact, as in the books."""
    return ", ".join(f"{words(name)} {money(amount, exact=True)}" for name, amount in values.items())


def is_some(value: Money) -> bool:
    """Whether the amount is not zero."""
    return Decimal(value["amount"]) != 0


def signed(value: Money) -> str:
    """An exact amount with its sign, as in a ledger."""
    sign = "" if value["amount"].startswith("-") else "+"
    return f"{sign}{money(value, exact=True)}"


def rate(value: Rate) -> str:
    """`0.36 USD/h`: two to four places; more only where four would say nothing."""
    amount = Decimal(value["amount"])
    cut = amount.quantize(Decimal("0.0001"), ROUND_DOWN)
    return f"{two_places(cut if cut or not amount else amount)} {value['currency']}/h"


def two_places(amount: Decimal) -> str:
    """`0.30`, `0.3601`: every place but zeros at the end, and two at least."""
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def parse_time(value: str) -> datetime:
    """An ISO 8601 time of the API."""
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def seconds_between(started: str | None, finished: str | None) -> float | None:
    """How long something took; None while it has not begun or not ended."""
    if started is None or finished is None:
        return None
    return (parse_time(finished) - parse_time(started)).total_seconds()


def since(value: str | None, *, now: datetime | None = None) -> str:
    """`5 min ago` within a day, else the local time with its zone; `in 5 min` for what is to come."""
    if value is None:
        return NOTHING
    moment = parse_time(value)
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if abs(seconds) >= 86400:
        return local(value)
    rough = _rough(abs(int(seconds)))
    return f"{rough} ago" if seconds >= 0 else f"in {rough}"


def local(value: str | None) -> str:
    """`2026-03-01 14:20 CET`."""
    return parse_time(value).astimezone().strftime("%Y-%m-%d %H:%M %Z") if value else NOTHING


def clock(value: str) -> str:
    """`14:20:05`, local, for lines that follow each other."""
    return parse_time(value).astimezone().strftime("%H:%M:%S")


def _rough(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    return duration(seconds)


def mebibytes(value: int) -> str:
    """`8 GiB`, `1.5 GiB`, `512 MiB`."""
    if 0 < value < 1024:
        return f"{value} MiB"
    return f"{(Decimal(value) / 1024).quantize(Decimal('0.1')).normalize():f} GiB"


def size(count: int) -> str:
    """`640 B`, `3.2 KiB`, `1.5 GiB`: bytes, to a tenth."""
    value, unit = Decimal(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value.quantize(Decimal('0.1')).normalize():f} {unit}"


def pairs(values: Mapping[str, str]) -> str:
    """`rack=2, zone=a`, as labels are written."""
    return ", ".join(f"{key}={value}" for key, value in values.items())


def yes_or_no(value: bool) -> str:
    """`yes` or `no`."""
    return "yes" if value else "no"


def words(name: str) -> str:
    """`release_failed` as people read it."""
    return name.replace("_", " ")
