"""Ending the SSH connections of an allocation when somebody loses the right to come in."""

from sublet.migrations.script import execute_script

revision = "0011_disconnects"
down_revision = "0010_allocations"

COLUMN = """
-- The latest generation with which somebody lost access: the node ends connections that are older.
ALTER TABLE allocation ADD COLUMN disconnect_generation bigint NOT NULL DEFAULT 0
  CHECK (disconnect_generation BETWEEN 0 AND generation);
"""


def upgrade() -> None:
    """Add the generation."""
    execute_script(COLUMN)
