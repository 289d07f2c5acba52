"""Ledger: holds on what was taken back, which nothing may be run on."""

from sublet.migrations.script import execute_script

revision = "0014_ledger"
down_revision = "0013_approvals"

KINDS = """
ALTER TABLE ledger.hold ADD COLUMN kind text NOT NULL DEFAULT 'spending' CHECK (kind IN ('spending', 'withheld'));
ALTER TABLE ledger.hold ADD CONSTRAINT hold_withheld_is_not_spent CHECK (kind = 'spending' OR captured = 0);
DROP FUNCTION IF EXISTS ledger.place_hold(text, text, bigint, text, text);
DROP FUNCTION IF EXISTS ledger.set_aside(ledger.wallet, bigint);
"""


def upgrade() -> None:
    """Let a hold say whether it is there to be spent."""
    execute_script(KINDS)
