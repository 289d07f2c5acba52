"""The books' own checks: each finds nothing, or says what does not fit."""

from collections.abc import Awaitable, Callable, Collection
from functools import partial

from sublet.core.db import Session
from sublet.findings.checks import Check, CheckResult, Finding, ask, ask_query
from sublet.findings.findings import Severity
from sublet.ledger import holds, seals

EndedAmong = Callable[[Session, Collection[str]], Awaitable[set[str]]]
"""Given subjects that money is set aside for, which of them have ended."""

_LAST_LINES = Check("balances and last lines", "ledger.balance_off_chain", Severity.CRITICAL)
_HELD_FUNDS = Check("held funds", "ledger.held_funds", Severity.CRITICAL)
_OUTLIVED = Check("holds of ended subjects", "ledger.hold_of_ended_subject", Severity.ERROR)
_SEALS = Check("seals", "ledger.broken_seal", Severity.CRITICAL)
_QUERIES = {
    Check("unbalanced entries", "ledger.unbalanced_entry", Severity.CRITICAL): """
        SELECT 'entry' AS subject_type, entry_id::text AS subject_id, lines || ' lines do not balance' AS problem,
               currency, jsonb_build_object('sum', total) AS amounts
          FROM ledger.unbalanced_entry""",
    Check("balance drift", "ledger.balance_drift", Severity.CRITICAL): """
        SELECT 'account' AS subject_type, code AS subject_id,
               'the balance at ' || seq || ' is not the sum of ' || lines || ' lines' AS problem,
               currency, jsonb_build_object('balance', balance, 'posted', posted) AS amounts
          FROM ledger.drifted_balance""",
    _LAST_LINES: """
        SELECT 'account' AS subject_type, code AS subject_id,
               'the balance at ' || seq || ' is not what line ' || last_seq || ', the last, leaves' AS problem,
               currency, jsonb_build_object('balance', balance, 'last line', balance_after) AS amounts
          FROM ledger.balance_off_chain""",
    Check("broken chain", "ledger.broken_chain", Severity.CRITICAL): """
        SELECT 'account' AS subject_type, code AS subject_id,
               'does not follow from the line before: line' || CASE count(*) WHEN 1 THEN ' ' ELSE 's ' END
                 || string_agg(account_seq || ' (entry ' || entry_id || ')', ', ' ORDER BY account_seq) AS problem,
               NULL AS currency, NULL AS amounts
          FROM ledger.broken_chain GROUP BY code""",
    _HELD_FUNDS: """
        SELECT subject_type, subject_id, 'what is held is not what open holds say' AS problem,
               currency, jsonb_build_object('held', held, 'open holds', open_holds) AS amounts
          FROM ledger.drifted_hold""",
    Check("history of holds", "ledger.hold_history", Severity.CRITICAL): """
        SELECT subject_type, subject_id, 'what a hold has left is not what its history says' AS problem,
               currency, jsonb_build_object('rest', rest, 'history', history) AS amounts
          FROM ledger.drifted_hold_history""",
    Check("lots against entries", "ledger.drifted_lot", Severity.CRITICAL): """
        SELECT 'lot' AS subject_type, lot AS subject_id,
               'the lot of a payment is not what was posted for it' AS problem, currency,
               jsonb_build_object('paid', paid, 'posted', posted) AS amounts
          FROM ledger.drifted_lot""",
    Check("wallets against lots", "ledger.wallet_above_lots", Severity.CRITICAL): """
        SELECT 'account' AS subject_type, code AS subject_id,
               'there is more in the wallet than its payments have left' AS problem,
               currency, jsonb_build_object('balance', balance, 'paid in', paid_in) AS amounts
          FROM ledger.wallet_above_lots""",
    Check("promotional money against lots", "ledger.promo_above_lots", Severity.CRITICAL): """
        SELECT 'account' AS subject_type, code AS subject_id,
               'there is more promotional money than its lots have left' AS problem,
               currency, jsonb_build_object('balance', balance, 'lots', lots) AS amounts
          FROM ledger.promo_above_lots""",
    Check("promotional lots against entries", "ledger.drifted_promo_lot", Severity.CRITICAL): """
        SELECT 'credit' AS subject_type, lot_id::text AS subject_id,
               'a lot of promotional money is not what was posted for it' AS problem, currency,
               jsonb_build_object('lot', amount, 'posted', given, 'expired', expired,
                                  'posted as expired', posted_expired) AS amounts
          FROM ledger.drifted_promo_lot""",
    Check("expired credit", "ledger.credit_not_expired", Severity.ERROR): """
        SELECT 'credit' AS subject_type, lot_id::text AS subject_id,
               'it has expired more than a day ago, and nobody has posted that' AS problem,
               NULL AS currency, NULL AS amounts
          FROM ledger.credit_due WHERE expires_at < clock_timestamp() - interval '1 day'""",
    Check("closed months", "ledger.changed_month", Severity.CRITICAL): """
        SELECT 'month' AS subject_type, month || '/' || kind AS subject_id,
               'the month is closed, and its entries add up to something else by now' AS problem,
               currency, jsonb_build_object('closed with', closed_with, 'posted', posted) AS amounts
          FROM ledger.changed_month""",
}
_OFTEN = {_LAST_LINES, _HELD_FUNDS}


async def run(session: Session, *, ended_among: EndedAmong | None = None, thorough: bool = True) -> list[CheckResult]:
    """Run the checks of the ledger; `ended_among` adds the one for holds that outlived what they were for.

    Unless `thorough`, only those that are worth asking every few minutes: the others read every entry ever made.
    """
    wanted = {check: query for check, query in _QUERIES.items() if thorough or check in _OFTEN}
    results = [await ask_query(session, check, query) for check, query in wanted.items()]
    if ended_among is not None:
        results.append(await ask(session, _OUTLIVED, partial(_outlived, session, ended_among)))
    if thorough:
        results.append(await ask(session, _SEALS, partial(_broken_seals, session)))
    return results


async def _outlived(session: Session, ended_among: EndedAmong) -> list[Finding]:
    ended = await ended_among(session, await holds.open_subjects(session))
    if ended:  # what ended between the two looks has given its money back with that
        ended &= set(await holds.open_subjects(session))
    return [Finding("subject", subject, "it has ended and money is still set aside") for subject in sorted(ended)]


async def _broken_seals(session: Session) -> list[Finding]:
    broken = await seals.broken_seals(session)
    return [Finding("seal", f"{first}-{last}", "these entries are not what was sealed") for first, last in broken]
