"""Billing's own checks: usage and books agree, and no time is charged twice or lost unseen."""

from sublet.core.db import Session
from sublet.findings.checks import Check, CheckResult, ask_query
from sublet.findings.findings import Severity

_BEHIND = Check("metering behind", "billing.metering_behind", Severity.ERROR)
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
    Check("charges against segments", "billing.charges_against_segments", Severity.ERROR): """
        SELECT 'subject' AS subject_type, s.subject_id,
               'charged ' || coalesce(c.seconds, 0) || ' s, posted ' || s.seconds || ' s' AS problem,
               NULL AS currency, NULL AS amounts
          FROM (SELECT subject_id, sum(extract(epoch FROM posted_to - lower(period)))::bigint AS seconds
                  FROM meter_segment GROUP BY subject_id) s
          LEFT JOIN (SELECT subject_id, sum(seconds) AS seconds FROM usage_record GROUP BY subject_id) c
            ON c.subject_id = s.subject_id
         WHERE coalesce(c.seconds, 0) <> s.seconds""",
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
