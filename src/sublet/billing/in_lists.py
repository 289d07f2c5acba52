"""Cost and funds as SQL, for the lists of other floors that have to be one statement.

The amounts are those of `cost.cost_of` and the funds those of `runway.of` and `funds.clock`; a test holds them equal.
"""

from sublet.billing.charges import charged_micro_sql, whole_seconds_sql
from sublet.billing.runway import BURNING

_PROVEN_TO = """CASE WHEN s.complete THEN s.metered_to ELSE
             greatest(s.metered_to, least(m.observed_to, coalesce(upper(s.period), now.at), now.at)) END"""
_PROVEN = whole_seconds_sql("lower(s.period)", _PROVEN_TO)
_POSTED = whole_seconds_sql("lower(s.period)", "s.posted_to")

COST = f"""
    SELECT m.subject_id, m.currency, charged.micro AS charged, used.accrued, used.delivered_seconds,
           CASE WHEN m.stopped_at IS NOT NULL THEN 0
                WHEN m.kind = 'running' THEN m.nano_per_hour ELSE m.suspended_nano_per_hour END AS nano_per_hour,
           least(m.observed_to, m.stopped_at) AS as_of
      FROM meter m
     CROSS JOIN (SELECT clock_timestamp() AS at) now
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(c.amount), 0)::bigint AS micro FROM usage_charge c WHERE c.subject_id = m.subject_id
     ) charged
     CROSS JOIN LATERAL (
       SELECT coalesce(sum({charged_micro_sql("s.nano_per_hour", _PROVEN)}
                           - {charged_micro_sql("s.nano_per_hour", _POSTED)}), 0)::bigint AS accrued,
              coalesce(sum({_PROVEN}) FILTER (WHERE s.kind = 'running'), 0)::bigint AS delivered_seconds
         FROM meter_segment s WHERE s.subject_id = m.subject_id
     ) used
"""  # noqa: S608 - only constant expressions
"""One row for each meter: join it by `subject_id`. What is not metered has no row."""

FUNDS = f"""
    SELECT f.owner_id AS organization_id, f.currency, f.total - coalesce(b.accrued, 0) AS left,
           coalesce(b.burn, 0) AS burn, c.level, c.grace_ends_at
      FROM ledger.funds f
      LEFT JOIN ({BURNING.format(scope="AND m.organization_id = :organization_id")}) b
        ON b.organization_id = f.owner_id AND b.currency = f.currency
      LEFT JOIN funds_clock c ON c.organization_id = f.owner_id AND c.currency = f.currency
     WHERE f.owner_id = :organization_id
"""  # noqa: S608 - only constant expressions
"""One row for each currency of `:organization_id`: what `runway.runway_of` reads, and the funds clock."""
