"""Fleet: which records on a node it cannot read."""

from sublet.migrations.script import execute_script

revision = "0025_fleet"
down_revision = "0024_allocations"

TABLES = """
ALTER TABLE node ADD COLUMN unreadable jsonb NOT NULL DEFAULT '[]'
  CONSTRAINT node_unreadable_check CHECK (jsonb_typeof(unreadable) = 'array');
"""


def upgrade() -> None:
    """Add the column."""
    execute_script(TABLES)
