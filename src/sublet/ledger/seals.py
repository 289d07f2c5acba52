"""Tamper evidence: ranges of entries that have become final are sealed into a chain of hashes, and so are accounts."""

from sqlalchemy import text

from sublet.core.db import Session
from sublet.core.registers import Chain, Register
from sublet.ledger.functions import call_for_id

ENTRIES_EACH = 1000

_BROKEN = text("SELECT from_id, to_id FROM ledger.broken_seal ORDER BY from_id")

CHAIN = Chain(
    "ledger",
    text("SELECT to_id, hash, sealed_at FROM ledger.seal ORDER BY from_id DESC LIMIT 1"),
    text("SELECT to_id, hash FROM ledger.seal WHERE to_id = ANY(:to_ids)"),
    text("SELECT from_id, to_id, prev_hash, hash FROM ledger.seal ORDER BY from_id"),
    text(
        """
        SELECT e.id, ARRAY[
                 e.id::text, e.kind::text, e.idempotency_key, encode(e.request_hash, 'hex'), e.description,
                 e.source_type, e.source_id, e.reverses_entry_id::text, extract(epoch FROM e.effective_at)::text,
                 extract(epoch FROM e.recorded_at)::text,
                 (SELECT array_agg(ARRAY[p.line, p.account_id, p.amount, p.account_seq, p.balance_after]
                                   ORDER BY p.line)::text
                    FROM ledger.posting p WHERE p.entry_id = e.id)] AS parts
          FROM ledger.ledger_entry e WHERE e.id BETWEEN :from_id AND :to_id ORDER BY e.id
        """
    ),
    ("ledger.seal", "ledger.ledger_entry", "ledger.posting"),
    drawn=text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ledger.entry_id"),
    loose=text(
        """
        SELECT count(*) FILTER (WHERE id < 1 OR id > :drawn) AS strays,
               count(*) FILTER (WHERE id > :last AND id <= :drawn) AS unsealed
          FROM ledger.ledger_entry WHERE id < 1 OR id > :last
        """
    ),
    orphans=text(
        """
        SELECT count(*) FROM ledger.posting p
         WHERE NOT EXISTS (SELECT FROM ledger.ledger_entry e WHERE e.id = p.entry_id)
        """
    ),
)

ACCOUNTS = Register(
    "account",
    """
    SELECT a.id, ARRAY[
             a.id::text, a.code, a.kind::text, a.owner_id, a.currency, a.materialised::text, w.owner_id, w.currency,
             w.promo_id::text, w.receivable_id::text] AS parts
      FROM ledger.account a
      LEFT JOIN ledger.wallet w ON w.id = a.id
     WHERE a.id BETWEEN :from_id AND :to_id ORDER BY a.id
    """,
    ("ledger.account", "ledger.wallet"),
    sequence="ledger.account_id_seq",
    orphans="SELECT count(*) FROM ledger.wallet w WHERE NOT EXISTS (SELECT FROM ledger.account a WHERE a.id = w.id)",
)
"""Whose each account is, and of which kind: what entries say, they say of accounts."""


async def seal_ranges(session: Session) -> int:
    """Seal what was final at the last call; returns how many ranges, 200 at most. Needs a transaction of its own.

    A call also marks what is there now, so entries are sealed by the call after the one that saw them.
    """
    return await call_for_id(session, "seal_ranges", entries_each=ENTRIES_EACH)


async def broken_seals(session: Session) -> list[tuple[int, int]]:
    """Ranges (first and last entry id) whose entries, or whose place in the chain, are not what was sealed."""
    return [(row.from_id, row.to_id) for row in await session.execute(_BROKEN)]
