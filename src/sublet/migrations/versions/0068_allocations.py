"""Allocations: suspended for a spending limit."""

from sublet.migrations.script import execute_script

revision = "0068_allocations"
down_revision = "0067_billing"

CAUSES = """
ALTER TABLE allocation
  DROP CONSTRAINT allocation_suspended_for_check,
  ADD CONSTRAINT allocation_suspended_for_check
    CHECK (suspended_for IN ('customer', 'funds', 'drain', 'limit')) NOT VALID;
ALTER TABLE allocation VALIDATE CONSTRAINT allocation_suspended_for_check;
"""


def upgrade() -> None:
    """Let a spending limit be the reason."""
    execute_script(CAUSES)
