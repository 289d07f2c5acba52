"""The processor's balance against the books, and what lies between them for too long."""

from functools import partial

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.money import Money
from sublet.findings.checks import MOST_FINDINGS, Check, CheckResult, Finding, ask, ask_query
from sublet.findings.findings import Severity
from sublet.payments.payouts.payouts import PAYOUTS, SETTLING_SECONDS

_AGAINST_ENTRIES = Check(
    "balance transactions against entries", "payments.transaction_against_entries", Severity.CRITICAL
)
_PAYOUTS = Check("what payouts are made of", "payments.payout_total", Severity.CRITICAL)
_UNPROCESSED = Check("events of the processor", "payments.event_unprocessed", Severity.ERROR)

# By what each movement is of, so that a refund and what came back of it are one. While a refund is under way its money
# has left the balance and is `refund_pending` in the books.
_TRANSACTIONS = """
    WITH moved AS (
      SELECT coalesce(t.source, m.transaction_id, u.charge_id, r.processor_id, 'entry ' || m.entry_id) AS source,
             m.currency, m.amount, m.recorded_at
        FROM ledger.processor_movement m
        LEFT JOIN stripe_transaction t ON t.id = m.transaction_id
        LEFT JOIN top_up u ON m.kind = 'top_up' AND u.id = m.source_id
        LEFT JOIN refund r ON m.kind IN ('refund_succeeded', 'refund_failed') AND r.id = m.source_id
    ), booked AS (
      SELECT source, currency, sum(amount) AS amount, max(recorded_at) AS at FROM moved GROUP BY source, currency
    ), mirrored AS (
      SELECT coalesce(source, id) AS source, currency, sum(amount - fee) AS amount, max(recorded_at) AS at
        FROM stripe_transaction WHERE whose <> 'elsewhere' GROUP BY coalesce(source, id), currency
    )
    SELECT j.source, j.currency, j.processor, j.books
      FROM (SELECT source, currency, coalesce(m.amount, 0) AS processor, coalesce(b.amount, 0) AS books,
                   greatest(m.at, b.at) AS at
              FROM mirrored m FULL JOIN booked b USING (source, currency)) j
      LEFT JOIN refund p ON p.processor_id = j.source AND p.currency = j.currency AND p.state = 'pending'
       AND EXISTS (SELECT FROM stripe_transaction t WHERE t.source = p.processor_id)
     WHERE j.processor - j.books <> -coalesce(p.amount, 0)
       AND j.at <= clock_timestamp() - make_interval(secs => :settling)
     ORDER BY j.source, j.currency LIMIT :most
"""

_PAYOUT_TOTALS = f"""
    SELECT 'payout' AS subject_type, p.id AS subject_id,
           'what left for the bank is not what the payout says, or not what it is made of' AS problem, p.currency,
           jsonb_build_object('payout', p.amount, 'left', p.left_by, 'made of', coalesce(p.made_of, 0)) AS amounts
      FROM ({PAYOUTS}) p
     WHERE p.is_settled AND p.off_by IS NOT NULL"""  # noqa: S608 - only constant expressions

_QUERIES = {
    Check("the processor's balance", "payments.balance_differs", Severity.CRITICAL): """
        SELECT 'currency' AS subject_type, coalesce(b.currency, t.currency) AS subject_id,
               'what is at the processor is not what its transactions add up to' AS problem,
               coalesce(b.currency, t.currency) AS currency,
               jsonb_build_object('processor', coalesce(b.available + b.pending, 0), 'transactions', coalesce(t.net, 0))
                 AS amounts
          FROM processor_balance b
          FULL JOIN (SELECT m.currency, sum(m.amount - m.fee) AS net
                       FROM stripe_transaction m
                      WHERE m.recorded_at <= (SELECT max(seen_at) FROM processor_balance) GROUP BY m.currency) t
            ON t.currency = b.currency
         WHERE coalesce(b.available + b.pending, 0) <> coalesce(t.net, 0)""",
    Check("looks at the processor", "payments.balance_not_seen", Severity.WARNING): """
        SELECT 'processor' AS subject_type, 'stripe' AS subject_id,
               'its balance was last seen at ' || max(seen_at) || ', so nothing since was compared with it' AS problem,
               NULL AS currency, NULL AS amounts
          FROM processor_balance
        HAVING max(seen_at) < clock_timestamp() - interval '1 hour'""",
    Check("what lies between for too long", "payments.lingers", Severity.ERROR): """
        SELECT * FROM (
          SELECT 'refund' AS subject_type, id AS subject_id, 'is on its way since ' || created_at AS problem, currency,
                 jsonb_build_object('refund', amount) AS amounts
            FROM refund WHERE state = 'pending' AND created_at < clock_timestamp() - interval '14 days'
          UNION ALL
          SELECT 'dispute', id, 'is ours to bear since ' || disputed_at, currency,
                 jsonb_build_object('taken', taken - charged)
            FROM dispute WHERE taken <> charged AND disputed_at < clock_timestamp() - interval '120 days'
          UNION ALL
          SELECT 'payout', id, 'should have arrived by ' || arrives_on, currency, jsonb_build_object('payout', amount)
            FROM payout WHERE state IN ('created', 'in_transit') AND arrives_on < clock_timestamp() - interval '3 days'
          UNION ALL
          SELECT 'processor_object', source_id, 'is not explained since ' || since, currency,
                 jsonb_build_object('in suspense', amount)
            FROM ledger.suspense_item WHERE amount <> 0 AND since < clock_timestamp() - interval '7 days') aged""",
}

_EVENTS = """
    SELECT 'stripe_event' AS subject_type, id AS subject_id,
           type || ' was received at ' || received_at || ' and is not worked off' AS problem,
           NULL AS currency, NULL AS amounts
      FROM stripe_event WHERE processed_at IS NULL AND received_at < clock_timestamp() - interval '10 minutes'"""


async def run(session: Session, *, settling_seconds: float = SETTLING_SECONDS) -> list[CheckResult]:
    """Run the checks that read everything; they change nothing."""
    return [
        await ask(session, _AGAINST_ENTRIES, partial(_transactions, session, settling_seconds)),
        await ask_query(session, _PAYOUTS, _PAYOUT_TOTALS, settling=settling_seconds),
        *[await ask_query(session, check, query) for check, query in _QUERIES.items()],
    ]


async def run_often(session: Session) -> list[CheckResult]:
    """Run the one that is worth asking every few minutes."""
    return [await ask_query(session, _UNPROCESSED, _EVENTS)]


async def _transactions(session: Session, settling_seconds: float) -> list[Finding]:
    found = await session.execute(text(_TRANSACTIONS), {"settling": settling_seconds, "most": MOST_FINDINGS})
    problem = "what it moved at the processor is not what the entries say"
    return [
        Finding(
            "processor_object",
            f"{row.source}/{row.currency}",
            problem,
            {"processor": Money(int(row.processor), row.currency), "books": Money(int(row.books), row.currency)},
        )
        for row in found
    ]
