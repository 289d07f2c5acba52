"""Payments: whose card was announced to expire."""

from sublet.migrations.script import execute_script

revision = "0087_payments"
down_revision = "0086_billing"

TOLD = """
-- The last notice that a card expires: in the month before its last one, or in its last one.
ALTER TABLE saved_card ADD COLUMN expiry_told integer CHECK (expiry_told IN (1, 0));
GRANT UPDATE (expiry_told) ON saved_card TO sublet_app;
"""


def upgrade() -> None:
    """Add what was told."""
    execute_script(TOLD)
