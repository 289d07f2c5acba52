"""Ledger: what is owed may be paid out of the wallet later."""

from sublet.migrations.script import execute_script

revision = "0048_ledger"
down_revision = "0047_payments"

KINDS = """
ALTER TYPE ledger.entry_kind ADD VALUE 'owed_paid';
"""


def upgrade() -> None:
    """Name the entry that does."""
    execute_script(KINDS)
