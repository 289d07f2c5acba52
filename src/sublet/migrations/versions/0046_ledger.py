"""Ledger: what is spent of a payment is written nowhere any more. It follows from what is in the wallet."""

from sublet.migrations.script import execute_script

revision = "0046_ledger"
down_revision = "0045_core"

LOTS = """
DROP VIEW IF EXISTS ledger.drifted_lot;
DROP FUNCTION IF EXISTS ledger.consume_lots(bigint);
DROP FUNCTION IF EXISTS ledger.spent_of_lots(bigint, bigint, bigint);
DROP FUNCTION IF EXISTS ledger.refuse_twice(bigint[]);
ALTER TABLE ledger.topup_lot DROP COLUMN consumed;  -- and with it the check that counts it
ALTER TABLE ledger.topup_lot ADD CONSTRAINT topup_lot_gives_back_what_was_paid CHECK (refunded + disputed <= paid);
"""


def upgrade() -> None:
    """Derive it from now on."""
    execute_script(LOTS)
