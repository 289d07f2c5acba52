"""Payments' own checks: what went back, and what is at the processor, is what the entries say of it."""

from sublet.core.db import Session
from sublet.findings.checks import Check, CheckResult, ask_query
from sublet.findings.findings import Severity
from sublet.payments.mirror import checks as mirror

_QUERIES = {
    Check("refunds against entries", "payments.refund_against_entries", Severity.CRITICAL): """
        SELECT 'refund' AS subject_type, coalesce(r.id, w.source_id) AS subject_id,
               'what went back to the card is not what the entries say' AS problem,
               coalesce(r.currency, w.currency) AS currency,
               jsonb_build_object('refund', coalesce(r.amount, 0), 'posted', coalesce(w.refunded, 0),
                                  'pending', coalesce(w.pending, 0), 'sent', coalesce(w.sent, 0)) AS amounts
          FROM refund r
          FULL JOIN (SELECT * FROM ledger.went_back WHERE source_type = 'refund') w
            ON w.source_id = r.id AND w.currency = r.currency
         WHERE r.amount IS DISTINCT FROM w.refunded
            OR w.pending <> CASE r.state WHEN 'pending' THEN r.amount ELSE 0 END
            OR w.sent <> CASE r.state WHEN 'succeeded' THEN r.amount ELSE 0 END""",
    Check("disputes against entries", "payments.dispute_against_entries", Severity.CRITICAL): """
        SELECT 'dispute' AS subject_type, coalesce(d.id, w.source_id) AS subject_id,
               'what a dispute took is not what the entries say' AS problem,
               coalesce(d.currency, w.currency) AS currency,
               jsonb_build_object('taken', coalesce(d.taken, 0), 'posted', coalesce(w.disputed, 0),
                                  'charged', coalesce(d.charged, 0), 'lost', coalesce(w.lost, 0)) AS amounts
          FROM dispute d
          FULL JOIN (SELECT * FROM ledger.went_back WHERE source_type = 'dispute') w
            ON w.source_id = d.id AND w.currency = d.currency
         WHERE (coalesce(d.taken, 0), coalesce(d.charged, 0))
               IS DISTINCT FROM (coalesce(w.disputed, 0), coalesce(w.lost, 0))""",
}


async def run(session: Session, *, thorough: bool = True) -> list[CheckResult]:
    """Run the checks; unless `thorough`, only those that are worth asking every few minutes. They change nothing."""
    often = await mirror.run_often(session)
    if not thorough:
        return often
    return [
        *often,
        *[await ask_query(session, check, query) for check, query in _QUERIES.items()],
        *await mirror.run(session),
    ]
