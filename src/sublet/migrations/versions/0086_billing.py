"""Billing: which credit was announced to expire."""

from sublet.migrations.script import execute_script

revision = "0086_billing"
down_revision = "0085_payments"

NOTICES = """
-- The last notice of a lot of promotional money that comes to its end: so many days before it, or less.
CREATE TABLE credit_notice (
  lot_id  bigint PRIMARY KEY,
  days    integer NOT NULL CHECK (days IN (7, 1)),
  told_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE (days, told_at) ON credit_notice TO sublet_app;
"""


def upgrade() -> None:
    """Add what was told."""
    execute_script(NOTICES)
