"""Payments: what became of each payout is sealed, with what about it never changes."""

from sublet.migrations.script import execute_script

revision = "0076_payments"
down_revision = "0075_ledger"

REGISTER = """
CREATE VIEW sealable_payout AS
  SELECT h.id, ARRAY[
           h.id::text, h.payout_id, h.previous, h.next, h.reason, extract(epoch FROM h.at)::text, p.processor_id,
           p.amount::text, p.currency, p.automatic::text, extract(epoch FROM p.created_at)::text] AS parts
    FROM payout_history h
    LEFT JOIN payout p ON p.id = h.payout_id;
SELECT sublet_keep_register('payout', 'payout_history', 'payout_history_id_seq', 'sealable_payout');

-- Nobody who inserts chooses an id: one within a range that is sealed would break its seal.
REVOKE INSERT ON payout_history FROM sublet_app;
GRANT INSERT (payout_id, previous, next, reason) ON payout_history TO sublet_app;
"""


def upgrade() -> None:
    """Make the history of payouts a register."""
    execute_script(REGISTER)
