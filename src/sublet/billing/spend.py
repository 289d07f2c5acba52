"""What an organization spends under the limits that it set itself, and whether they let anything more run.

A limit is of a day or a month in the time zone of the books, or of one subject for as long as that lives. What counts
is what was delivered in that time: what is charged, and what has accrued as far as it can be proven.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, text

from sublet.billing.charges import charged_micro_sql, seconds_covered, whole_seconds_sql
from sublet.billing.policy import Policy
from sublet.billing.runway import EXPECTED_TO
from sublet.core.db import Session
from sublet.core.errors import Conflict
from sublet.core.money import Money, Rate

Scope = Literal["day", "month", "allocation"]

THRESHOLDS = (50, 80, 100)
"""Percents of a limit at which the organization is told."""


class SpendingLimitForbids(Conflict):
    """The organization has spent as much as it lets itself spend, or would within minutes."""

    code = "spending_limit_reached"
    title = "A spending limit is reached"


@dataclass(frozen=True, slots=True)
class SpendingLimit:
    """A limit and how it stands: `spent` of `amount` since `started` (None: ever), while `burn` is spent an hour.

    `reached_at` is when it was found to be reached in the present period. It stays so until the period is over at
    `ends`, or until somebody sets the limit anew.
    """

    seq: int
    organization_id: str
    currency: str
    scope: Scope
    subject_id: str | None
    subject_name: str | None
    amount: Money
    spent: Money
    burn: Rate
    started: datetime | None
    ends: datetime | None
    seconds_left: int | None
    reached_at: datetime | None
    told_percent: int

    @property
    def left(self) -> Money:
        """What may still be spent; nothing once it is passed."""
        return max(self.amount - self.spent, Money.zero(self.currency))

    def holds_back(self, one: "Suspended") -> bool:
        """Whether something that is suspended is under this limit."""
        return one.currency == self.currency and self.subject_id in {None, one.id}

    @property
    def percent(self) -> int:
        """The highest of the thresholds that was passed, 0 below all of them."""
        return max((at for at in THRESHOLDS if self.spent.micro * 100 >= self.amount.micro * at), default=0)

    @property
    def sentence(self) -> str:
        """Why it lets nothing more run, for its organization; it says no amount."""
        whose = "Its own" if self.subject_id is not None else "Your organization's"
        of = "" if self.subject_id is not None else f" for this {self.scope}"
        if self.reached_at is not None or self.left.micro == 0:
            return f"{whose} spending limit{of} is reached."
        return f"{whose} spending limit{of} leaves too little for it."

    def lasts(self, more: int, seconds: int) -> bool:
        """Whether what is left lasts longer than so many seconds, or than the period, if `more` nano-units an hour
        were spent beside what is spent now."""
        if self.left.micro == 0:
            return False
        covered = seconds_covered(self.left.micro, self.burn.nano_per_hour + more)
        within = seconds if self.seconds_left is None else min(seconds, self.seconds_left)
        return covered is None or covered > within

    def is_reached(self, policy: Policy) -> bool:
        """Whether what runs has to stop: what is left does not last until it would be looked at again."""
        return self.reached_at is not None or not self.lasts(0, policy.detection_seconds)

    def bears(self, more: int, *, policy: Policy) -> bool:
        """Whether `more` nano-units an hour may be spent too: for longer than the reserve, as with the funds."""
        return not self.is_reached(policy) and self.lasts(more, policy.reserve_seconds)


_TO = f"CASE WHEN s.complete THEN s.metered_to ELSE {EXPECTED_TO} END"
_BEFORE = f"greatest(lower(s.period), least(coalesce(within.started, '-infinity'::timestamptz), {_TO}))"
_IN_PERIOD = (
    charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", _TO))
    + " - "
    + charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", _BEFORE))
)
_LIMITS = f"""
    SELECT l.seq, l.organization_id, l.currency, l.scope, l.subject_id, l.amount, within.started, within.ends,
           extract(epoch FROM within.ends - now.at)::bigint AS seconds_left,
           CASE WHEN l.period_start IS NOT DISTINCT FROM within.started THEN l.reached_at END AS reached_at,
           CASE WHEN l.period_start IS NOT DISTINCT FROM within.started THEN l.told_percent ELSE 0 END AS told_percent,
           used.spent, used.burn, (SELECT subject_name FROM meter n WHERE n.subject_id = l.subject_id) AS subject_name
      FROM spending_limit l
     CROSS JOIN ledger.books_calendar k
     CROSS JOIN (SELECT clock_timestamp() AS at) now
     CROSS JOIN LATERAL (
       SELECT CASE WHEN l.scope <> 'allocation' THEN date_trunc(l.scope, now.at AT TIME ZONE k.time_zone) END AS began
     ) here
     CROSS JOIN LATERAL (
       SELECT here.began AT TIME ZONE k.time_zone AS started,
              (here.began + make_interval(months => CASE l.scope WHEN 'month' THEN 1 ELSE 0 END,
                                          days => CASE l.scope WHEN 'day' THEN 1 ELSE 0 END))
                AT TIME ZONE k.time_zone AS ends
     ) within
     CROSS JOIN LATERAL (
       SELECT coalesce(sum({_IN_PERIOD}), 0)::bigint AS spent,
              coalesce(sum(s.nano_per_hour) FILTER (WHERE upper_inf(s.period) AND m.stopped_at IS NULL), 0)::bigint
                AS burn
         FROM meter m JOIN meter_segment s ON s.subject_id = m.subject_id
        WHERE {{whose}}
     ) used
     WHERE {{scope}}
"""  # noqa: S608 - only constant expressions
_OF_ALL = """m.organization_id = l.organization_id AND m.currency = l.currency
          AND (NOT m.settled OR m.stopped_at >= within.started)
          AND s.period && tstzrange(within.started, NULL)"""


def _limits(scope: str) -> str:
    both = (
        _LIMITS.format(whose=_OF_ALL, scope=f"l.subject_id IS NULL {scope}"),
        _LIMITS.format(whose="m.subject_id = l.subject_id", scope=f"l.subject_id IS NOT NULL {scope}"),
    )
    return " UNION ALL ".join(both) + " ORDER BY seq"


_EVERY = text(_limits(""))
_OF_ORGANIZATION = text(_limits("AND l.organization_id = :organization_id"))


def _limit(row: Row[Any]) -> SpendingLimit:
    return SpendingLimit(
        row.seq,
        row.organization_id,
        row.currency,
        row.scope,
        row.subject_id,
        row.subject_name,
        Money(row.amount, row.currency),
        Money(row.spent, row.currency),
        Rate(row.burn, row.currency),
        row.started,
        row.ends,
        row.seconds_left,
        row.reached_at,
        row.told_percent,
    )


@dataclass(frozen=True, slots=True)
class Suspended:
    """A subject that was suspended for a spending limit, and runs again once every limit bears it."""

    id: str
    name: str
    currency: str


_SUSPENDED = text(
    """
    SELECT subject_id, coalesce(subject_name, subject_id) AS name, currency FROM meter
     WHERE organization_id = :organization_id AND over_limit AND stopped_at IS NULL ORDER BY name, subject_id
    """
)


async def suspended_for_limits(session: Session, organization_id: str) -> list[Suspended]:
    """All that is suspended for a spending limit of the organization, by name."""
    found = await session.execute(_SUSPENDED, {"organization_id": organization_id})
    return [Suspended(row.subject_id, row.name, row.currency) for row in found]


async def every_limit(session: Session, *, policy: Policy) -> list[SpendingLimit]:
    """All limits of all organizations, oldest first."""
    found = await session.execute(_EVERY, {"evidence_gap_seconds": policy.evidence_gap_seconds})
    return [_limit(row) for row in found]


async def limits_of(session: Session, organization_id: str, *, policy: Policy) -> list[SpendingLimit]:
    """The limits of an organization in all its currencies, oldest first."""
    asked = {"organization_id": organization_id, "evidence_gap_seconds": policy.evidence_gap_seconds}
    return [_limit(row) for row in await session.execute(_OF_ORGANIZATION, asked)]
