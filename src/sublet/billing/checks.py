"""Billing's own checks: usage and books agree, and no time is charged twice or lost unseen."""

from sublet.core.db import Session
from sublet.ledger.reconcile import CheckResult, ask_query

_CHECKS = {
    "usage charges against revenue": """
        SELECT 'entry:' || coalesce(c.ledger_entry_id, r.entry_id) AS subject,
               'charges ' || coalesce(c.amount, 0) || ' micros, revenue ' || coalesce(r.amount, 0) || ' micros'
                 AS detail
          FROM (SELECT ledger_entry_id, sum(amount) AS amount FROM usage_charge
                 WHERE ledger_entry_id IS NOT NULL GROUP BY ledger_entry_id) c
          FULL JOIN ledger.usage_revenue r ON r.entry_id = c.ledger_entry_id
         WHERE c.amount IS DISTINCT FROM r.amount""",
    "charges against segments": """
        SELECT s.subject_id AS subject,
               'charged ' || coalesce(c.seconds, 0) || ' s, posted ' || s.seconds || ' s' AS detail
          FROM (SELECT subject_id, sum(extract(epoch FROM posted_to - lower(period)))::bigint AS seconds
                  FROM meter_segment GROUP BY subject_id) s
          LEFT JOIN (SELECT subject_id, sum(seconds) AS seconds FROM usage_record GROUP BY subject_id) c
            ON c.subject_id = s.subject_id
         WHERE coalesce(c.seconds, 0) <> s.seconds""",
    "unmetered time": """
        SELECT subject_id AS subject,
               extract(epoch FROM upper(period) - lower(period)) || ' s from ' || lower(period) || ': ' || reason
                 AS detail
          FROM unmetered_interval WHERE recorded_at > clock_timestamp() - interval '7 days'
         ORDER BY id DESC""",
    "metering behind": """
        SELECT s.subject_id AS subject, 'proven to ' || m.observed_to || ', metered to ' || s.metered_to AS detail
          FROM meter_segment s JOIN meter m ON m.subject_id = s.subject_id
         WHERE NOT s.complete AND m.stopped_at IS NULL AND upper_inf(s.period)
           AND s.metered_to < clock_timestamp() - interval '5 minutes'""",
}


_OFTEN = {"metering behind"}


async def run(session: Session, *, thorough: bool = True) -> list[CheckResult]:
    """Run the checks of billing; unless `thorough`, only those that are worth asking every few minutes."""
    return [await ask_query(session, name, query) for name, query in _CHECKS.items() if thorough or name in _OFTEN]
