"""From seconds to money: pure functions, and the only place that rounds.

A rate is in nano-units per hour, so a second at rate 1 is 1/3,600 nano. Sums are kept exact as rate × seconds; a
micro-unit is 3,600,000 of these. Charges are rounded down, per segment and only at its total: a customer never pays
a fraction more than what was delivered, and the loss is below one micro-unit for each segment.
"""

from datetime import datetime, timedelta

RATE_SECONDS_PER_MICRO = 3_600_000

SECOND = timedelta(seconds=1)


def whole_seconds(start: datetime, end: datetime) -> int:
    """Seconds that are wholly over between two times; the rest of a second is in the customer's favour."""
    return max(0, (end - start) // SECOND)


def charged_micro(nano_per_hour: int, seconds: int) -> int:
    """What a segment costs in all after so many delivered seconds."""
    return nano_per_hour * seconds // RATE_SECONDS_PER_MICRO


def charged_between(nano_per_hour: int, from_seconds: int, to_seconds: int) -> int:
    """What is to be posted when so many seconds of a segment were posted before: total minus already posted."""
    return charged_micro(nano_per_hour, to_seconds) - charged_micro(nano_per_hour, from_seconds)


def micro_to_hold(nano_per_hour: int, seconds: int) -> int:
    """What must be set aside to cover so many seconds: rounded up."""
    return -(-nano_per_hour * seconds // RATE_SECONDS_PER_MICRO)


def seconds_covered(micro: int, nano_per_hour: int) -> int | None:
    """How many whole seconds an amount lasts; None if nothing is being spent."""
    if nano_per_hour == 0:
        return None
    return max(0, micro) * RATE_SECONDS_PER_MICRO // nano_per_hour


def whole_seconds_sql(start: str, end: str) -> str:
    """`whole_seconds` in SQL, for sets of rows: exact for 280 years, of which a double knows each microsecond."""
    return f"greatest(0, floor(date_part('epoch', ({end}) - ({start}))))::bigint"


def charged_micro_sql(nano_per_hour: str, seconds: str) -> str:
    """`charged_micro` in SQL, for sets of rows of bigints: in parts, so that no product is larger than what it says."""
    per_second, rest = f"({nano_per_hour}) / {RATE_SECONDS_PER_MICRO}", f"({nano_per_hour}) % {RATE_SECONDS_PER_MICRO}"
    return f"({per_second} * ({seconds}) + {rest} * ({seconds}) / {RATE_SECONDS_PER_MICRO})"


def micro_to_hold_sql(nano_per_hour: str, seconds: str) -> str:
    """`micro_to_hold` in SQL, for sets of rows."""
    return f"ceil(({nano_per_hour})::numeric * ({seconds}) / {RATE_SECONDS_PER_MICRO})::bigint"
