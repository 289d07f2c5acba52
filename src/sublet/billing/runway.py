"""Runway: how fast an organization spends, and how long until its funds clock starts."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row

from sublet.billing import rates
from sublet.billing.charges import charged_micro_sql, seconds_covered, whole_seconds_sql
from sublet.billing.policy import Policy
from sublet.core.money import Money, Rate

Level = Literal["72h", "24h", "1h", "10m", "grace", "suspended"]

WARNINGS: tuple[tuple[Level, int], ...] = (("10m", 600), ("1h", 3600), ("24h", 86_400), ("72h", 259_200))


@dataclass(frozen=True, slots=True)
class Runway:
    """What an organization spends now, what it has left beside what already accrued, and how long that lasts.

    `seconds` ends where the grace begins, which is paid for out of the money still held; None while nothing is spent.
    """

    organization_id: str
    burn: Rate
    left: Money
    seconds: int | None

    @property
    def warning(self) -> Level | None:
        """The threshold that the runway is under."""
        if self.seconds is None:
            return None
        return next((level for level, under in WARNINGS if self.seconds <= under), None)


RATE_ENDS = "coalesce(upper(s.period), CASE WHEN s.kind = 'suspended' THEN m.suspended_until END)"
"""When the rate of a segment `s` of a meter `m` ends; null while nobody has said that."""
EXPECTED_TO = f"""CASE WHEN clock_timestamp() - m.observed_to > make_interval(secs => :evidence_gap_seconds)
             THEN least({RATE_ENDS}, m.observed_to)
             ELSE least({RATE_ENDS}, greatest(clock_timestamp(), upper(s.period))) END"""
"""Until when a segment `s` of a meter `m` is expected to be charged for, as far as it can be proven by now."""
ACCRUED = (
    charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", EXPECTED_TO))
    + " - "
    + charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", "s.posted_to"))
)
"""What a segment `s` of a meter `m` will be charged by now: since it was last posted, and as far as it can be proven.

Time since the last observation counts while the next one may still prove it, which is `:evidence_gap_seconds`. After
that nobody will ever be charged for it, so nothing accrues and nothing is forecast until the subject is seen again.
"""

# `if_resumed` is what it would spend if everything that lack of funds suspended ran again; `running_on` is whether
# something runs that lack of funds does not suspend already, `waiting` whether something is suspended for lack of them,
# `keeps` whether something is suspended that costs, or for that.
BURNING = f"""
    SELECT m.organization_id, m.currency,
           coalesce(sum(s.nano_per_hour) FILTER (WHERE upper_inf(s.period)), 0)::bigint AS burn,
           coalesce(sum(CASE WHEN m.out_of_funds THEN m.nano_per_hour ELSE s.nano_per_hour END)
                    FILTER (WHERE upper_inf(s.period)), 0)::bigint AS if_resumed,
           coalesce(sum({ACCRUED}), 0)::bigint AS accrued,
           bool_or(m.kind = 'running' AND m.stopped_at IS NULL) AS running,
           bool_or(m.kind = 'running' AND m.stopped_at IS NULL AND NOT m.out_of_funds) AS running_on,
           bool_or(m.kind <> 'running' AND m.stopped_at IS NULL AND m.out_of_funds) AS waiting,
           bool_or(m.kind <> 'running' AND m.stopped_at IS NULL
                   AND (m.out_of_funds OR {rates.NOW} > 0)) AS keeps
      FROM meter m JOIN meter_segment s ON s.subject_id = m.subject_id AND NOT s.complete
     WHERE NOT m.settled {{scope}}
     GROUP BY m.organization_id, m.currency
"""  # noqa: S608 - only constant expressions
UNPAID = "greatest(0, coalesce(b.accrued, 0) - coalesce(f.expired, 0))"
"""What of that which accrued (`b`) the funds (`f`) must bear: promotional money that has expired, and is none of them,
pays what was delivered before."""


def runway_of(row: Row[Any], policy: Policy) -> Runway:
    """The runway of a row: `left` micro-units beside what accrued, while `burn` nano-units an hour are spent."""
    covered = seconds_covered(row.left, row.burn)
    seconds = None if covered is None else max(0, covered - policy.reserve_seconds)
    return Runway(row.organization_id, Rate(row.burn, row.currency), Money(row.left, row.currency), seconds)


def is_enough(row: Row[Any], policy: Policy) -> bool:
    """Whether all that lack of funds suspended could run again for longer than the reserve, with what is left."""
    covered = seconds_covered(row.left, row.if_resumed)
    return covered is None or covered > policy.reserve_seconds
