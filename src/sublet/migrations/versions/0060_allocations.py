"""Allocations: a failure's code stands in its history beside what its customer reads."""

from sublet.migrations.script import execute_script

revision = "0060_allocations"
down_revision = "0059_payments"

CODE = """
ALTER TABLE allocation_history ADD COLUMN code text;
ALTER TABLE allocation_history
  ADD CONSTRAINT allocation_history_code_check CHECK (code ~ '^[a-z][a-z0-9_]{0,63}$') NOT VALID;
ALTER TABLE allocation_history VALIDATE CONSTRAINT allocation_history_code_check;
"""


def upgrade() -> None:
    """Add the column; what failed before has its code as the reason."""
    execute_script(CODE)
