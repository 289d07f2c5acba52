"""Allocations: what operators are told of a failure, beside what its customer is told."""

from sublet.migrations.script import execute_script

revision = "0024_allocations"
down_revision = "0023_fleet"

TABLES = """
-- The node's own code and words, the step and the request; customers read `error`.
ALTER TABLE allocation_operation ADD COLUMN operator_error jsonb;
"""


def upgrade() -> None:
    """Add the operator's half of an error."""
    execute_script(TABLES)
