"""What a month cost, day by day, and what it comes to if what runs goes on: as far as there is evidence for it."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text

from sublet.billing.charges import charged_micro, charged_micro_sql, whole_seconds, whole_seconds_sql
from sublet.billing.policy import Policy
from sublet.billing.runway import EXPECTED_TO
from sublet.billing.standing import standing
from sublet.core.clock import database_now
from sublet.core.db import Session
from sublet.core.money import Money, Rate
from sublet.ledger import months


@dataclass(frozen=True, slots=True)
class Day:
    """What one day cost, by kind of meter, in the order of their names."""

    day: date
    kinds: dict[str, Money]
    amount: Money


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a month will have cost when it is over.

    `accrued` is delivered and not charged yet; `burn` is what runs now and is seen to, an hour. What nobody can prove
    is in neither. `within_funds` is whether the money lasts until then.
    """

    accrued: Money
    burn: Rate
    amount: Money
    within_funds: bool


@dataclass(frozen=True, slots=True)
class MonthUsage:
    """A month from its first day until its last, or until today; `forecast` is of the present month alone."""

    month: str
    starts_at: datetime
    ends_at: datetime
    charged: Money
    days: list[Day]
    forecast: Forecast | None


# A charge is on the day on which what it is for ended, and less what was taken back of it. Charges get their ids as
# they are made, which is after what they are for: those from an hour before the month are older than anything in it.
_DAYS = text(
    """
    WITH since AS (
      SELECT coalesce((SELECT id FROM usage_charge
                        WHERE organization_id = :organization_id
                          AND charged_at < CAST(:starts_at AS timestamptz) - interval '1 hour'
                        ORDER BY id DESC LIMIT 1), 0) AS id
    ), cost AS (
      SELECT ((u.period_end - interval '1 microsecond') AT TIME ZONE k.time_zone)::date AS day, c.meter_kind,
             sum(c.amount * coalesce(e.times, 1))::bigint AS amount
        FROM usage_charge c
        JOIN since ON c.id > since.id
        JOIN usage_record u ON u.subject_id = c.subject_id AND u.period_start = c.period_start
       CROSS JOIN ledger.books_calendar k
        LEFT JOIN ledger.usage_entry e ON e.entry_id = c.ledger_entry_id
       WHERE c.organization_id = :organization_id AND c.currency = :currency
         AND u.period_end > :starts_at AND u.period_end <= :ends_at
       GROUP BY 1, 2
    )
    SELECT each.at::date AS day, cost.meter_kind, cost.amount
      FROM ledger.books_calendar k,
           generate_series(CAST(:starts_at AS timestamptz) AT TIME ZONE k.time_zone,
                           (least(:ends_at, clock_timestamp()) - interval '1 microsecond') AT TIME ZONE k.time_zone,
                           interval '1 day') AS each(at)
      LEFT JOIN cost ON cost.day = each.at::date
     ORDER BY each.at, cost.meter_kind
    """
)
_EXPECTED = charged_micro_sql("s.nano_per_hour", whole_seconds_sql("lower(s.period)", EXPECTED_TO))
_CHARGED = charged_micro_sql(
    "s.nano_per_hour", whole_seconds_sql("lower(s.period)", "greatest(s.posted_to, CAST(:starts_at AS timestamptz))")
)
_RUNS = text(
    f"""
    SELECT coalesce(sum(s.nano_per_hour) FILTER (WHERE upper_inf(s.period) AND clock_timestamp() - m.observed_to
             <= make_interval(secs => :evidence_gap_seconds)), 0)::bigint AS burn,
           coalesce(sum(greatest(0, {_EXPECTED} - {_CHARGED})), 0)::bigint AS accrued
      FROM meter m JOIN meter_segment s ON s.subject_id = m.subject_id AND NOT s.complete
     WHERE NOT m.settled AND m.organization_id = :organization_id AND m.currency = :currency
    """  # noqa: S608 - only constant expressions
)


async def month_usage(
    session: Session, organization_id: str, *, currency: str, month: str | None, policy: Policy
) -> MonthUsage:
    """What a month of the books cost an organization; the present one, unless another is named."""
    name = month or await months.present(session)
    starts_at, ends_at = await months.span(session, name, name)
    about = {"organization_id": organization_id, "currency": currency, "starts_at": starts_at}
    days: dict[date, dict[str, Money]] = {}
    for row in await session.execute(_DAYS, {**about, "ends_at": ends_at}):
        kinds = days.setdefault(row.day, {})
        if row.meter_kind is not None:
            kinds[row.meter_kind] = Money(row.amount, currency)
    nothing = Money.zero(currency)
    listed = [Day(day, kinds, sum(kinds.values(), nothing)) for day, kinds in days.items()]
    charged = sum((day.amount for day in listed), nothing)
    now = await database_now(session)
    forecast = None
    if starts_at <= now < ends_at:
        forecast = await _forecast(session, about, charged, seconds=whole_seconds(now, ends_at), policy=policy)
    return MonthUsage(name, starts_at, ends_at, charged, listed, forecast)


async def _forecast(
    session: Session, about: dict[str, object], charged: Money, *, seconds: int, policy: Policy
) -> Forecast:
    currency = charged.currency
    row = (await session.execute(_RUNS, {**about, "evidence_gap_seconds": policy.evidence_gap_seconds})).one()
    accrued = Money(row.accrued, currency)
    ahead = Money(charged_micro(row.burn, seconds), currency)
    stands = await standing(session, str(about["organization_id"]), currency=currency, policy=policy)
    return Forecast(accrued, Rate(row.burn, currency), charged + accrued + ahead, ahead <= stands.runway.left)
