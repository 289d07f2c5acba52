"""Leased work: which tenant a row is for, so that none takes a whole place."""

from sublet.migrations.script import execute_script

revision = "0029_core"
down_revision = "0028_allocations"

TABLES = """
-- Among those who share a place; empty where nobody does.
ALTER TABLE work ADD COLUMN tenant text NOT NULL DEFAULT '';
"""


def upgrade() -> None:
    """Add the column."""
    execute_script(TABLES)
