"""Billing's own checks: usage and books agree, and no time is charged twice or lost unseen."""

from sublet.billing.charges import charged_micro_sql
from sublet.core.db import Session
from sublet.findings.checks import Check, CheckResult, ask_query
from sublet.findings.findings import Severity

_BEHIND = Check("metering behind", "billing.metering_behind", Severity.ERROR)
_AT_RATE = charged_micro_sql("c.nano_per_hour", "u.seconds")
_QUERIES = {
    Check("usage charges against revenue", "billing.charges_against_revenue", Severity.CRITICAL): """
        SELECT 'entry_revenue' AS subject_type,
               coalesce(c.ledger_entry_id, r.entry_id) || '/' || coalesce(c.meter_kind, r.meter_kind) AS subject_id,
               'what the entry charges is not its revenue from this kind of meter' AS problem,
               coalesce(c.currency, r.currency) AS currency,
               jsonb_build_object('charges', coalesce(c.amount, 0), 'revenue', coalesce(r.amount, 0)) AS amounts
          FROM (SELECT ledger_entry_id, meter_kind, min(currency) AS currency, sum(amount) AS amount FROM usage_charge
                 WHERE ledger_entry_id IS NOT NULL GROUP BY ledger_entry_id, meter_kind) c
          FULL JOIN ledger.usage_revenue r ON r.entry_id = c.ledger_entry_id AND r.meter_kind = c.meter_kind
         WHERE (c.amount, c.currency) IS DISTINCT FROM (r.amount, r.currency)""",
    Check("usage charges against who paid", "billing.charges_against_payers", Severity.CRITICAL): """
        SELECT 'entry_payer' AS subject_type,
               coalesce(c.ledger_entry_id, p.entry_id) || '/' || coalesce(c.organization_id, p.owner_id) AS subject_id,
               'what the entry charges an organization for is not what it took from it' AS problem,
               coalesce(c.currency, p.currency) AS currency,
               jsonb_build_object('charges', coalesce(c.amount, 0), 'taken', coalesce(p.amount, 0)) AS amounts
          FROM (SELECT ledger_entry_id, organization_id, min(currency) AS currency, sum(amount) AS amount
                  FROM usage_charge WHERE ledger_entry_id IS NOT NULL GROUP BY ledger_entry_id, organization_id) c
          FULL JOIN ledger.usage_payer p ON p.entry_id = c.ledger_entry_id AND p.owner_id = c.organization_id
         WHERE (c.amount, c.currency) IS DISTINCT FROM (p.amount, p.currency)""",
    Check("one organization to a subject", "billing.another_organization", Severity.CRITICAL): """
        SELECT 'subject' AS subject_type, o.subject_id,
               'is metered for ' || m.organization_id || ' in ' || m.currency || ', and ' || string_agg(
                 o.what || ' ' || coalesce(o.organization_id || ' in ' || o.currency, 'nobody'), ', ' ORDER BY o.what)
                 AS problem,
               NULL AS currency, NULL AS amounts
          FROM (SELECT DISTINCT subject_id, 'charged to' AS what, organization_id, currency FROM usage_charge
                UNION ALL
                SELECT h.subject_id, 'held of', w.owner_id, w.currency
                  FROM meter h LEFT JOIN ledger.hold_owner w ON w.id = h.hold_id) o
          JOIN meter m ON m.subject_id = o.subject_id
         WHERE (o.organization_id, o.currency) IS DISTINCT FROM (m.organization_id, m.currency)
         GROUP BY o.subject_id, m.organization_id, m.currency""",
    Check("rates against prices", "billing.rates_against_prices", Severity.CRITICAL): """
        SELECT 'subject' AS subject_type, r.subject_id,
               string_agg(DISTINCT r.what || ' at ' || r.nano_per_hour || ' nano-units an hour for ' || r.kind
                 || ' time, which is not what ' || r.price_id || ' asks for it, or not the meter''s price', ', ')
                 AS problem,
               NULL AS currency, NULL AS amounts
          FROM (SELECT DISTINCT c.subject_id, 'charged' AS what, u.kind, c.price_id, c.nano_per_hour
                  FROM usage_charge c
                  JOIN usage_record u ON u.subject_id = c.subject_id AND u.period_start = c.period_start
                UNION ALL
                SELECT subject_id, 'metered', kind, price_id, nano_per_hour FROM meter_segment
                UNION ALL
                SELECT subject_id, 'to be metered', 'running', price_id, nano_per_hour FROM meter
                UNION ALL
                SELECT subject_id, 'to be metered', 'suspended', price_id, suspended_nano_per_hour FROM meter
                UNION ALL
                SELECT subject_id, 'to be metered', 'disk', price_id, disk_nano_per_hour FROM meter
                 WHERE disk_nano_per_hour IS NOT NULL) r
          JOIN meter m ON m.subject_id = r.subject_id
          LEFT JOIN price_rate p ON p.id = r.price_id AND p.kind = r.kind
         WHERE (p.nano_per_hour, p.sku_id, p.currency, r.price_id)
               IS DISTINCT FROM (r.nano_per_hour, m.sku_id, m.currency, m.price_id)
         GROUP BY r.subject_id""",
    Check("charges against rates", "billing.charges_against_rates", Severity.CRITICAL): f"""
        SELECT 'subject' AS subject_type, c.subject_id,
               u.seconds || ' s from ' || c.period_start || ' are not charged at their rate' AS problem,
               c.currency, jsonb_build_object('charged', c.amount, 'at the rate', {_AT_RATE}) AS amounts
          FROM usage_charge c
          JOIN usage_record u ON u.subject_id = c.subject_id AND u.period_start = c.period_start
         WHERE c.amount - {_AT_RATE} NOT BETWEEN 0 AND 1  -- a fraction of the segment before may complete a micro-unit
         ORDER BY c.subject_id, c.period_start""",  # noqa: S608 - only constant expressions
    Check("charges against segments", "billing.charges_against_segments", Severity.ERROR): """
        SELECT 'subject' AS subject_type, s.subject_id,
               'charged ' || coalesce(c.seconds, 0) || ' s, posted ' || s.seconds || ' s' AS problem,
               NULL AS currency, NULL AS amounts
          FROM (SELECT subject_id, sum(extract(epoch FROM posted_to - lower(period)))::bigint AS seconds
                  FROM meter_segment GROUP BY subject_id) s
          LEFT JOIN (SELECT subject_id, sum(seconds) AS seconds FROM usage_record GROUP BY subject_id) c
            ON c.subject_id = s.subject_id
         WHERE coalesce(c.seconds, 0) <> s.seconds""",
    Check("usage measured once", "billing.usage_overlaps", Severity.CRITICAL): """
        SELECT 'subject' AS subject_type, subject_id,
               'time from ' || period_start || ' is measured twice: a record before goes on until ' || ended AS problem,
               NULL AS currency, NULL AS amounts
          FROM (SELECT subject_id, period_start,
                       max(period_end) OVER (PARTITION BY subject_id ORDER BY period_start
                                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS ended
                  FROM usage_record) r
         WHERE ended > period_start""",
    Check("unmetered time", "billing.unmetered_time", Severity.WARNING): """
        SELECT 'unmetered_interval' AS subject_type, id::text AS subject_id,
               extract(epoch FROM upper(period) - lower(period)) || ' s of ' || subject_id || ' from ' || lower(period)
                 || ': ' || reason AS problem,
               NULL AS currency, NULL AS amounts
          FROM unmetered_interval WHERE recorded_at > clock_timestamp() - interval '7 days'
         ORDER BY id DESC""",
    _BEHIND: """
        SELECT 'subject' AS subject_type, s.subject_id,
               'proven to ' || m.observed_to || ', metered to ' || s.metered_to AS problem,
               NULL AS currency, NULL AS amounts
          FROM meter_segment s JOIN meter m ON m.subject_id = s.subject_id
         WHERE NOT s.complete AND m.stopped_at IS NULL AND upper_inf(s.period)
           AND s.metered_to < clock_timestamp() - interval '5 minutes'""",
}


async def run(session: Session, *, thorough: bool = True) -> list[CheckResult]:
    """Run the checks of billing; unless `thorough`, only those that are worth asking every few minutes."""
    return [await ask_query(session, check, query) for check, query in _QUERIES.items() if thorough or check is _BEHIND]
