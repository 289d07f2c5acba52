"""Ledger: payouts may come back."""

from sublet.migrations.script import execute_script

revision = "0058_ledger"
down_revision = "0057_ledger"

KINDS = """
ALTER TYPE ledger.entry_kind ADD VALUE 'payout_failed';
"""


def upgrade() -> None:
    """Name the entry that says so."""
    execute_script(KINDS)
